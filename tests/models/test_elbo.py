import math

import pytest
import torch
from torch import Tensor

from musevae.models.elbo import Elbo, iwae_bound, mmd
from musevae.models.gaussian import DiagonalGaussian

BIT = math.log(2)


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


def log_weights(x: Tensor, posterior: DiagonalGaussian, draws: int) -> Tensor:
    """log p(x, z) - log q(z|x) (K, B) for p(z) = N(0, 1), p(x|z) = N(z, 1)."""
    draw, weights = torch.Generator().manual_seed(0), []
    for _ in range(draws):
        z = posterior.sample(draw)
        likelihood = DiagonalGaussian(z, torch.ones_like(z)).log_prob(x)
        weights.append(DiagonalGaussian.standard_like(z).log_prob(z) + likelihood - posterior.log_prob(z))
    return torch.stack(weights)


def test_bounds_of_a_linear_gaussian_model_are_exact_at_its_true_posterior() -> None:
    """Here p(x) = N(0, 2) and p(z|x) = N(x / 2, 1 / 2), so every weight is p(x) and every bound is tight."""
    x = torch.tensor([[0.3], [-2.0]], dtype=torch.float64)
    evidence = DiagonalGaussian(torch.zeros_like(x), torch.full_like(x, 2**0.5)).log_prob(x)
    posterior = DiagonalGaussian(x / 2, torch.full_like(x, 0.5**0.5))
    for draws in (1, 10):
        torch.testing.assert_close(iwae_bound(log_weights(x, posterior, draws)), evidence)


def test_iwae_bound_rises_towards_the_evidence_with_the_number_of_draws() -> None:
    x = torch.full((1000, 1), 1.0, dtype=torch.float64)
    evidence = DiagonalGaussian(torch.zeros_like(x), torch.full_like(x, 2**0.5)).log_prob(x)[0]
    wrong = DiagonalGaussian(torch.zeros_like(x), torch.ones_like(x))
    one, ten, hundred = (float(iwae_bound(log_weights(x, wrong, k)).mean()) for k in (1, 10, 100))
    assert one < ten < hundred < evidence + 0.01
    assert evidence - hundred < 0.02


def test_mmd_is_the_mean_kernel_within_minus_the_mean_kernel_between() -> None:
    x, y = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    kernel = [math.exp(-square / 4) for square in (1, 4, 5)]  # squared distances: within x, x0 to y, x1 to y
    expected = (2 + 2 * kernel[0]) / 4 + 1 - (kernel[1] + kernel[2])
    assert float(mmd(x, y)) == pytest.approx(expected, rel=1e-5)


def test_mmd_tells_samples_of_different_distributions_apart() -> None:
    x, y = torch.randn(2, 500, 4, generator=torch.Generator().manual_seed(0))
    assert float(mmd(x, x)) == pytest.approx(0, abs=1e-6)
    assert 0 <= float(mmd(x, y)) < 0.01 < 0.1 < float(mmd(x, y + 1))
