import math

import pytest
import torch

from musevae.models.outputs import check_temperature, negative_log_likelihood, sample


def test_negative_log_likelihood_sums_the_steps() -> None:
    probabilities = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]])
    nll = negative_log_likelihood(probabilities.log(), torch.tensor([[1, 2]]))
    torch.testing.assert_close(nll, torch.tensor([-math.log(0.25 * 0.8)]))


def test_masked_steps_do_not_count() -> None:
    logits, events = (
        torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)),
        torch.zeros(2, 4, dtype=torch.int64),
    )
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    masked = negative_log_likelihood(logits, events, mask)
    torch.testing.assert_close(masked[0], negative_log_likelihood(logits, events)[0])
    torch.testing.assert_close(masked[1], negative_log_likelihood(logits[:, :2], events[:, :2])[1])


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
