import pytest
import torch
from torch.distributions import Normal, kl_divergence

from musevae.models.gaussian import DiagonalGaussian


@pytest.fixture
def gaussian() -> DiagonalGaussian:
    draw = torch.Generator().manual_seed(0)
    mu, log_sigma = torch.randn(2, 5, 3, generator=draw, dtype=torch.float64)
    return DiagonalGaussian(mu, log_sigma.exp())


def test_kl_per_dim_is_that_of_torch_distributions(gaussian: DiagonalGaussian) -> None:
    expected = kl_divergence(Normal(gaussian.mu, gaussian.sigma), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian.kl_per_dim(), expected)
    torch.testing.assert_close(gaussian.kl(), expected.sum(-1))


def test_kl_is_the_mean_of_the_log_density_ratio() -> None:
    gaussian = DiagonalGaussian(torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, 1.5]]))
    many = DiagonalGaussian(gaussian.mu.expand(100_000, 2), gaussian.sigma.expand(100_000, 2))
    z = many.sample(torch.Generator().manual_seed(0))
    ratio = many.log_prob(z) - DiagonalGaussian.standard_like(z).log_prob(z)
    assert abs(ratio.mean() - gaussian.kl()) < 4 * ratio.std() / 100_000**0.5


def test_log_prob_is_that_of_torch_distributions(gaussian: DiagonalGaussian) -> None:
    z = torch.linspace(-2, 2, 15, dtype=torch.float64).view(5, 3)
    torch.testing.assert_close(gaussian.log_prob(z), Normal(gaussian.mu, gaussian.sigma).log_prob(z).sum(-1))


def test_standard_gaussian_has_no_kl() -> None:
    assert not DiagonalGaussian.standard_like(torch.empty(2, 3)).kl().any()


def test_sample_is_mu_plus_sigma_times_noise(gaussian: DiagonalGaussian) -> None:
    noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    z = gaussian.sample(torch.Generator().manual_seed(7))
    torch.testing.assert_close(z, gaussian.mu + gaussian.sigma * noise)


def test_sample_carries_gradients_to_mu_and_sigma() -> None:
    mu, sigma = torch.zeros(1, 2, requires_grad=True), torch.ones(1, 2, requires_grad=True)
    z = DiagonalGaussian(mu, sigma).sample()
    z.sum().backward()
    assert mu.grad is not None
    assert mu.grad.tolist() == [[1.0, 1.0]]
    assert sigma.grad is not None
    torch.testing.assert_close(sigma.grad, z.detach())
