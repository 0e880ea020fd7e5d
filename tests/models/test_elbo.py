import math
from dataclasses import replace

import pytest
import torch

from musevae.models.elbo import Elbo, iwae_bound, mmd, mmd_to_prior, resample

BIT = math.log(2)


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


@pytest.fixture
def elbo() -> Elbo:
    """Two examples: reconstructions of 10 and 20 nats; KLs of 1 + 3 and 0 + 6 bits."""
    return Elbo(torch.tensor([10.0, 20.0]), torch.tensor([[1.0, 3.0], [0.0, 6.0]]) * BIT)


def test_kl_and_nelbo_are_sums(elbo: Elbo) -> None:
    torch.testing.assert_close(elbo.kl, torch.tensor([4.0, 6.0]) * BIT)
    torch.testing.assert_close(elbo.nelbo, torch.tensor([10 + 4 * BIT, 20 + 6 * BIT]))


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        ({}, [4.0, 6.0]),
        ({"beta": 0.5}, [2.0, 3.0]),
        ({"beta": 0.0}, [0.0, 0.0]),
        ({"free_bits": 5.0}, [0.0, 1.0]),
        ({"free_bits": 5.0, "beta": 0.2}, [0.0, 0.2]),
        ({"free_bits_per_dim": 2.0}, [1.0, 4.0]),
        ({"free_bits_per_dim": 2.0, "free_bits": 3.0}, [0.0, 1.0]),
    ],
)
def test_loss_is_reconstruction_plus_weighted_kl_beyond_the_free_bits(
    elbo: Elbo, weights: dict[str, float], bits: list[float]
) -> None:
    torch.testing.assert_close(elbo.loss(**weights), torch.tensor([10.0, 20.0]) + BIT * torch.tensor(bits))


def test_free_bits_take_the_gradient_from_a_kl_within_the_budget() -> None:
    kl = torch.tensor([[1.0], [3.0]], requires_grad=True)
    Elbo(torch.zeros(2), kl).loss(free_bits=2 / BIT).sum().backward()
    assert kl.grad is not None
    assert kl.grad.tolist() == [[0.0], [1.0]]


def test_iwae_bound_is_the_logarithm_of_the_mean_weight() -> None:
    weights = torch.tensor([[1.0, 0.5], [3.0, 0.5]])
    torch.testing.assert_close(iwae_bound(weights.log()), torch.tensor([2.0, 0.5]).log())


def test_loss_of_several_draws_is_the_iwae_bound() -> None:
    log_weights = torch.tensor([[-90.0, -80.0], [-95.0, -70.0]])
    several = Elbo(torch.zeros(2), torch.zeros(2, 3), torch.zeros(4, 3), log_weights)
    assert torch.equal(several.loss(), -iwae_bound(log_weights))


@pytest.mark.parametrize("weight", [{"beta": 0.5}, {"free_bits": 1.0}, {"free_bits_per_dim": 1.0}, {"mmd": 1.0}])
def test_loss_of_several_draws_refuses_weights(weight: dict[str, float]) -> None:
    several = Elbo(torch.zeros(2), torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="the bound of several draws has no weights"):
        several.loss(**weight)


def test_draws_are_resampled_as_often_as_they_weigh() -> None:
    """Of shares 1/8, 1/2, 3/8 among 8, exactly 1, 4 and 3, wherever the start; rows are b * K + k."""
    shares = torch.tensor([[1.0, 3.0], [4.0, 1.0], [3.0, 4.0]]) / 8
    rows = resample(shares.log() - 90, 8, seed(0))
    assert rows.bincount().tolist() == [1, 4, 3, 3, 1, 4]
    assert rows[:8].max() < 3 <= rows[8:].min()


def test_resampling_is_right_on_average() -> None:
    weights = torch.randn(7, 2000, generator=seed(1))[:, :1].expand(7, 2000)
    share = resample(weights, 3, seed(2)).remainder(7).bincount(minlength=7) / 6000
    torch.testing.assert_close(share, weights[:, 0].softmax(0), atol=0.02, rtol=0)


def test_a_draw_with_all_the_weight_is_the_only_one_resampled() -> None:
    weights = torch.tensor([[-math.inf], [0.0], [-1e30]])
    assert resample(weights, 4, seed(3)).tolist() == [1] * 4


def test_mmd_is_the_mean_kernel_within_minus_the_mean_kernel_between() -> None:
    x, y = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    kernel = [math.exp(-square / 4) for square in (1, 4, 5)]  # squared distances: within x, x0 to y, x1 to y
    expected = (2 + 2 * kernel[0]) / 4 + 1 - (kernel[1] + kernel[2])
    assert float(mmd(x, y)) == pytest.approx(expected, rel=1e-5)


def test_mmd_tells_samples_of_different_distributions_apart() -> None:
    x, y = torch.randn(2, 500, 4, generator=torch.Generator().manual_seed(0))
    assert float(mmd(x, x)) == pytest.approx(0, abs=1e-6)
    assert 0 <= float(mmd(x, y)) < 0.01 < 0.1 < float(mmd(x, y + 1))


def test_mmd_to_prior_is_that_to_many_draws_from_it() -> None:
    z = 0.7 * torch.randn(50, 3, generator=seed(0), dtype=torch.float64) + 0.5
    prior = torch.randn(10, 1000, 3, generator=seed(1), dtype=torch.float64)
    found = torch.stack([mmd(z, draws) for draws in prior])
    bias = (1 - (1 + 2 / 3) ** (-3 / 2)) / 1000  # of mmd: each draw's kernel with itself is 1, not its mean
    assert float((found - bias).mean()) == pytest.approx(float(mmd_to_prior(z)), abs=4 * float(found.std()) / 10**0.5)


def test_mmd_to_prior_goes_to_zero_for_draws_from_the_prior() -> None:
    """As 1 / N, for N draws: what remains is each one's kernel with itself."""
    few, many = (float(mmd_to_prior(torch.randn(n, 3, generator=seed(2), dtype=torch.float64))) for n in (40, 4000))
    assert 0 < many < 0.001 < few < 0.1


def test_mmd_to_prior_has_the_gradient_of_finite_differences() -> None:
    z = torch.randn(30, 3, generator=seed(3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mmd_to_prior, z)


def test_mmd_is_weighted_in_the_loss(elbo: Elbo) -> None:
    z = torch.randn(2, 2, generator=seed(4))
    loss = replace(elbo, z=z).loss(beta=0, mmd=3.0)
    torch.testing.assert_close(loss, elbo.reconstruction + 3 * mmd_to_prior(z))
