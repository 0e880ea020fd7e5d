"""The recurrence of one LSTM layer against `nn.LSTM` and finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musevae.models.lstm import dense, fused, lstm_layer, run_layer
from musevae.models.recurrence import gates_first, recur


def draws(*shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrence_equals_nn_lstm_in_outputs_and_gradients(reverse: bool) -> None:
    torch.manual_seed(0)
    x, h, c = draws((7, 3, 5), (3, 4), (3, 4))
    layer = nn.LSTM(5, 4).double()
    expected, _ = layer(x.flip(0) if reverse else x, (h[None], c[None]))
    expected = expected.flip(0) if reverse else expected
    w_ih, w_hh, b_ih, b_hh = map(gates_first, layer.all_weights[0])
    outputs = recur(x, w_ih.transpose(1, 2), (b_ih + b_hh).unsqueeze(1), w_hh, h, c, reverse=reverse)
    torch.testing.assert_close(outputs, expected)
    leaves = [x, h, c, *layer.parameters()]
    cotangent = torch.randn_like(expected)
    for got, wanted in zip(
        torch.autograd.grad(outputs, leaves, cotangent), torch.autograd.grad(expected, leaves, cotangent), strict=True
    ):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("bounds", [[(0, 6)], [(0, 2), (2, 6)]])
@pytest.mark.parametrize("reverse", [False, True])
def test_classes_are_the_vectors_that_they_stand_for(bounds: list[tuple[int, int]], reverse: bool) -> None:
    """With one class a step, or two; the sixth stands for nothing."""
    draw = torch.Generator().manual_seed(0)
    columns = [torch.randint(low, high, (5, 3), generator=draw) for low, high in bounds]
    classes = torch.stack(columns, dim=2) if len(columns) > 1 else columns[0]
    table, constant, weight, h, c = draws((4, 5, 2), (4, 3, 2), (4, 2, 2), (3, 2), (3, 2))
    vectors = dense(classes.transpose(0, 1), None, 5).transpose(0, 1).double()
    looked_up = recur(classes, F.pad(table, (0, 0, 0, 1)), constant, weight, h, c, reverse=reverse)
    multiplied = recur(vectors, table, constant, weight, h, c, reverse=reverse)
    torch.testing.assert_close(looked_up, multiplied)
    leaves = [table, constant, weight, h, c]
    cotangent = torch.randn_like(multiplied)
    gradients = (torch.autograd.grad(outputs, leaves, cotangent) for outputs in (looked_up, multiplied))
    for got, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("rows", [1, 2])
def test_gradients_match_finite_differences(rows: int) -> None:
    assert torch.autograd.gradcheck(recur, draws((3, 2, 5), (4, 5, 2), (4, rows, 2), (4, 2, 2), (2, 2), (2, 2)))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_fused_kernel_and_recurrence_give_the_same(bidirectional: bool) -> None:
    """On a GPU `run_layer` takes PyTorch's kernel, elsewhere our recurrence: both are the layer."""
    torch.manual_seed(0)
    layer, events = lstm_layer(6, 4, bidirectional=bidirectional), torch.randint(6, (3, 7))
    written_out = dense(events, None, 6)
    torch.testing.assert_close(fused(layer, written_out, None), layer(written_out)[0])
    torch.testing.assert_close(run_layer(layer, events), layer(written_out)[0])


@pytest.mark.parametrize("extra", [None, torch.ones(3, 1, 2)])
def test_gradients_are_the_same_in_evaluation_mode(extra: Tensor | None) -> None:
    """Those of an attribute along z, say, are wanted there."""
    torch.manual_seed(0)
    layer, x = lstm_layer(6, 4), torch.randn(3, 7, 6 if extra is None else 4, requires_grad=True)
    of = [torch.autograd.grad(run_layer(layer.train(mode), x, extra=extra).sum(), x)[0] for mode in (True, False)]
    torch.testing.assert_close(*of)


def test_fused_kernel_keeps_to_the_dtype_of_autocast() -> None:
    layer, x = lstm_layer(6, 4), torch.randn(3, 7, 6)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = fused(layer, x, None)
    assert outputs.dtype == torch.bfloat16
    torch.testing.assert_close(outputs.float(), layer(x)[0], atol=0.02, rtol=0.02)
