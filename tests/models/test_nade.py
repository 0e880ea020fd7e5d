"""NADE is a distribution: it sums to one, its draws are as frequent as it says."""

import itertools

import pytest
import torch
from torch import Tensor

from musevae.models.nade import Nade

BITS, HIDDEN = 4, 5
ALL = torch.tensor(list(itertools.product((0, 1), repeat=BITS)))  # (16, 4)


@pytest.fixture
def nade() -> Nade:
    torch.manual_seed(0)
    return Nade(BITS, HIDDEN)


@pytest.fixture
def logits() -> Tensor:
    """Those of one step, (1, H + D)."""
    return torch.randn(1, HIDDEN + BITS, generator=torch.Generator().manual_seed(1))


def probabilities(nade: Nade, logits: Tensor) -> Tensor:
    """Of all 16 events."""
    return nade.negative_log_likelihood(logits.expand(len(ALL), 1, -1), ALL.unsqueeze(1)).neg().exp()


@torch.no_grad()
def test_probabilities_of_all_events_sum_to_one(nade: Nade, logits: Tensor) -> None:
    assert float(probabilities(nade, logits).sum()) == pytest.approx(1, abs=1e-4)


@torch.no_grad()
def test_likelihood_is_the_recursion_written_out_bit_by_bit(nade: Nade, logits: Tensor) -> None:
    """Larochelle & Murray 2011, equations 9 and 10, one event at a time."""
    b_enc, b_dec = logits[0, :HIDDEN], logits[0, HIDDEN:]
    for event, found in zip(ALL, probabilities(nade, logits), strict=True):
        p, a = 1.0, b_enc
        for i, bit in enumerate(event.tolist()):
            on = float(torch.sigmoid(b_dec[i] + torch.sigmoid(a) @ nade.w_dec[i]))
            p *= on if bit else 1 - on
            a = a + bit * nade.w_enc[i]
        assert float(found) == pytest.approx(p, rel=1e-4)


@torch.no_grad()
def test_draws_are_as_frequent_as_they_are_probable(nade: Nade, logits: Tensor) -> None:
    drawn = nade.sample(logits.expand(20_000, -1), generator=torch.Generator().manual_seed(2))
    counts = (drawn @ torch.tensor([8, 4, 2, 1])).bincount(minlength=16)
    assert (counts / 20_000 - probabilities(nade, logits)).abs().max() < 0.015  # four standard deviations


@torch.no_grad()
def test_coldest_draw_is_the_greedy_one_and_no_temperature_is_too_low(nade: Nade, logits: Tensor) -> None:
    rows = logits.expand(50, -1)
    assert torch.equal(nade.sample(rows, 1e-9), nade.sample(rows, 0.0))


@torch.no_grad()
def test_greedy_bits_of_whole_windows_are_those_of_each_step(nade: Nade) -> None:
    logits = torch.randn(3, 7, HIDDEN + BITS, generator=torch.Generator().manual_seed(3))
    steps = [nade.sample(step, 0.0) for step in logits.unbind(1)]
    assert torch.equal(nade.sample(logits, 0.0), torch.stack(steps, dim=1))


def test_encoder_sees_the_bits_and_whether_there_is_none(nade: Nade) -> None:
    assert nade.inputs(torch.tensor([[[0, 1, 0, 1], [0, 0, 0, 0]]])).tolist() == [[[0, 1, 0, 1, 0], [0, 0, 0, 0, 1]]]
