import math

import pytest
import torch
from torch.distributions import Bernoulli

from musevae.models.outputs import (
    DrumCategorical,
    Groove,
    MultiCategorical,
    bernoulli,
    check_temperature,
    negative_log_likelihood,
    sample,
)


def test_negative_log_likelihood_sums_the_steps() -> None:
    probabilities = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]])
    nll = negative_log_likelihood(probabilities.log(), torch.tensor([[1, 2]]))
    torch.testing.assert_close(nll, torch.tensor([-math.log(0.25 * 0.8)]))


def test_steps_without_an_event_do_not_count() -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    events = torch.tensor([[0, 0, 0, 0], [0, 0, 5, 5]])
    nll = negative_log_likelihood(logits, events, nothing=5)
    torch.testing.assert_close(nll[1], negative_log_likelihood(logits[:, :2], events[:, :2])[1])


def test_likelihoods_of_all_sequences_sum_to_one() -> None:
    logits = torch.randn(1, 2, 3, generator=torch.Generator().manual_seed(0)).expand(9, 2, 3)
    events = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    assert float(negative_log_likelihood(logits, events).neg().exp().sum()) == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_sample_frequencies_are_the_softmax_of_logits_over_temperature(temperature: float) -> None:
    logits = torch.tensor([0.0, 1.0, -math.inf, 2.0])
    events = sample(logits.expand(100_000, 4), temperature, torch.Generator().manual_seed(0))
    frequencies = events.bincount(minlength=4) / 100_000
    torch.testing.assert_close(frequencies, (logits / temperature).softmax(-1), atol=0.005, rtol=0)
    assert frequencies[2] == 0


@pytest.mark.parametrize("temperature", [0, 0.0, 1e-300, 1e-6])
def test_no_or_next_to_no_temperature_is_argmax(temperature: float) -> None:
    logits = torch.randn(50, 90, generator=torch.Generator().manual_seed(0)) * 30
    assert torch.equal(sample(logits, temperature), logits.argmax(-1))


@pytest.mark.parametrize("temperature", [-1.0, math.nan, math.inf])
def test_impossible_temperatures_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        check_temperature(temperature)


# Kinds of events


def test_drums_are_read_as_bits_and_one_for_silence() -> None:
    roll = DrumCategorical(3).inputs(torch.tensor([[0, 1, 4, 7]]))
    assert roll.tolist() == [[[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [1, 1, 1, 0]]]


def test_likelihood_of_several_classes_is_the_product_of_theirs() -> None:
    output, draw = MultiCategorical([3, 4]), torch.Generator().manual_seed(0)
    logits, events = torch.randn(2, 5, 7, generator=draw), torch.randint(0, 3, (2, 5, 2), generator=draw)
    nll = output.negative_log_likelihood(output.split(logits), events)
    parts = (
        negative_log_likelihood(logits[..., :3], events[..., 0]),
        negative_log_likelihood(logits[..., 3:], events[..., 1]),
    )
    torch.testing.assert_close(nll, parts[0] + parts[1])


def test_several_classes_are_read_in_a_row() -> None:
    assert MultiCategorical([3, 4]).inputs(torch.tensor([[2, 3]])).tolist() == [[2, 6]]


def test_several_classes_are_drawn_each_from_its_own_logits() -> None:
    logits = torch.full((1, 7), -50.0).index_fill(1, torch.tensor([1, 5]), 50.0)
    output = MultiCategorical([3, 4])
    for temperature in (0.0, 0.5, 1.0):
        assert output.sample(output.split(logits), temperature).tolist() == [[1, 2]]


def test_likelihood_of_a_groove_is_bernoulli_and_squares() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, values = torch.randn(2, 4, 6, generator=draw), torch.rand(2, 4, 6, generator=draw)
    events = torch.cat([values[..., :2].round(), values[..., 2:]], dim=-1)
    hits = -Bernoulli(logits=logits[..., :2]).log_prob(events[..., :2]).sum((1, 2))
    velocities = (logits[..., 2:4].sigmoid() - events[..., 2:4]).square().sum((1, 2))
    offsets = (logits[..., 4:].tanh() - events[..., 4:]).square().sum((1, 2))
    torch.testing.assert_close(Groove(2).negative_log_likelihood(logits, events), hits + velocities + offsets)


def test_only_the_hits_of_a_groove_are_drawn() -> None:
    logits = torch.tensor([[0.3, -0.3, 1.0, -1.0, 2.0, -2.0]]).expand(4000, -1)
    drawn = Groove(2).sample(logits, generator=torch.Generator().manual_seed(0))
    assert set(drawn[:, :2].flatten().tolist()) == {0.0, 1.0}
    assert drawn[:, 0].mean() == pytest.approx(torch.sigmoid(logits[0, 0]).item(), abs=0.03)
    torch.testing.assert_close(drawn[:, 2:4], logits[:, 2:4].sigmoid())
    torch.testing.assert_close(drawn[:, 4:], logits[:, 4:].tanh())


def test_a_half_is_a_hit_where_nothing_is_drawn() -> None:
    assert bernoulli(torch.tensor([-0.1, 0.0, 0.1]), 0.0).tolist() == [False, True, True]
