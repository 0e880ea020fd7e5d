import pytest
import torch
from torch import Tensor, nn

from musevae.models.encoders import BidirectionalLstmEncoder, HierarchicalLstmEncoder, PosteriorHead
from musevae.models.lstm import one_hot
from tests.models.conftest import Fill


@pytest.fixture
def events() -> Tensor:
    return torch.randint(0, 7, (3, 12), generator=torch.Generator().manual_seed(0))


def test_equal_layers_are_one_stacked_lstm(events: Tensor) -> None:
    encoder, stacked = BidirectionalLstmEncoder(7, [4, 4]), nn.LSTM(7, 4, 2, batch_first=True, bidirectional=True)
    ours = [parameter for layer in encoder.layers for direction in layer.all_weights for parameter in direction]
    for theirs, parameter in zip(stacked.parameters(), ours, strict=True):
        theirs.data.copy_(parameter)
    _, (h, _) = stacked(one_hot(events, 7))
    torch.testing.assert_close(encoder(events), torch.cat([h[2], h[3]], dim=-1))


def test_layers_may_differ_in_size(events: Tensor) -> None:
    assert BidirectionalLstmEncoder(7, [4, 6, 5])(events).shape == (3, 10)


def test_float_inputs_are_taken_as_they_are(events: Tensor) -> None:
    encoder = BidirectionalLstmEncoder(7, [4])
    torch.testing.assert_close(encoder(one_hot(events, 7)), encoder(events))


def test_steps_beyond_the_lengths_are_not_read(events: Tensor) -> None:
    encoder = BidirectionalLstmEncoder(7, [4, 5])
    padded = encoder(events, lengths=torch.tensor([5, 12, 1]))
    for row, length in enumerate((5, 12, 1)):
        torch.testing.assert_close(padded[row], encoder(events[row : row + 1, :length])[0])


def test_hierarchical_encoder_reads_segment_by_segment_then_their_embeddings(events: Tensor) -> None:
    encoder = HierarchicalLstmEncoder(7, [4, 5], lengths=(4, 3))
    segments = [encoder.levels[0](events[:, start : start + 4]) for start in (0, 4, 8)]
    torch.testing.assert_close(encoder(events), encoder.levels[1](torch.stack(segments, dim=1)))
    torch.testing.assert_close(encoder(one_hot(events, 7)), encoder(events))


def test_three_levels_of_segments(events: Tensor) -> None:
    assert HierarchicalLstmEncoder(7, [4], lengths=(2, 3, 2))(events).shape == (3, 8)


def test_untrained_posterior_is_the_same_near_everywhere() -> None:
    """Its weights are tiny: mu starts near 0 and sigma near softplus(0) = log 2, whatever the input."""
    posterior = PosteriorHead(8, 4)(torch.ones(2, 8))
    torch.testing.assert_close(posterior.mu, torch.zeros(2, 4), atol=0.02, rtol=0)
    torch.testing.assert_close(posterior.sigma, torch.full((2, 4), 2.0).log(), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (BidirectionalLstmEncoder(3, [2, 1]), [0.1579388, -0.1191661]),
        (HierarchicalLstmEncoder(3, [2, 1], lengths=(2, 2)), [0.2658699, -0.1330077]),
    ],
    ids=["bidirectional", "hierarchical"],
)
def test_fixed_weights_give_frozen_numbers(encoder: nn.Module, expected: list[float], fill: Fill) -> None:
    fill(encoder)
    torch.testing.assert_close(encoder(torch.tensor([[0, 1, 2, 1]])), torch.tensor([expected]), atol=1e-6, rtol=0)
