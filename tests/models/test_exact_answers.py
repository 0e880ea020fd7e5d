"""VAEs whose answers are known: log p(x), the posterior and every bound of a linear-Gaussian model are closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from musevae.models.draw import Draw
from musevae.models.elbo import Elbo
from musevae.models.gaussian import DiagonalGaussian
from musevae.models.image_vae import ImageVAE
from musevae.models.likelihoods import Bernoulli
from musevae.models.vae import Vae
from tests.models.conftest import CheckGradient

PIXELS, LATENTS, NOISE = 5, 2, 0.6
IMAGES: dict[str, Any] = {"shape": (1, 8, 8), "likelihood": Bernoulli(), "z_size": 3}
KINDS: dict[str, Callable[[], Vae]] = {
    "mlp": lambda: ImageVAE(**IMAGES, sizes=[16]),
    "conv": lambda: ImageVAE(**IMAGES, network="conv", sizes=[4, 4], hidden_size=16),
    "draw": lambda: Draw(**IMAGES, glimpses=2, hidden_size=16),
    "draw with attention": lambda: Draw(**IMAGES, glimpses=2, hidden_size=16, attention=(2, 4)),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def seed(number: int) -> Generator:
    return torch.Generator().manual_seed(number)


class PrincipalComponents(Vae):
    """Probabilistic PCA (Tipping & Bishop 1999): x = W z + b + noise; a Gaussian encoder, at first the true posterior.

    As the columns of W are orthogonal, the true posterior is diagonal: precisions are 1 + |w|^2 / noise^2.
    """

    z_size = LATENTS

    def __init__(self) -> None:
        super().__init__()
        columns, _ = torch.linalg.qr(torch.randn(PIXELS, LATENTS, generator=seed(0), dtype=torch.float64))
        self.W = nn.Parameter(columns * torch.tensor([2.0, 0.7], dtype=torch.float64))
        self.b = nn.Parameter(torch.linspace(-1, 1, PIXELS, dtype=torch.float64))
        variance = 1 / (1 + self.W.detach().square().sum(0) / NOISE**2)
        self.encoder = nn.Linear(PIXELS, LATENTS, dtype=torch.float64)
        self.encoder.weight.data = variance.unsqueeze(1) * self.W.detach().T / NOISE**2
        self.encoder.bias.data = -self.encoder.weight.data @ self.b.detach()
        self.log_sigma = nn.Parameter(variance.log() / 2)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        mu = self.encoder(x)
        return DiagonalGaussian(mu, self.log_sigma.exp().expand_as(mu))

    def infer(
        self, x: Tensor, condition: Tensor | None = None, generator: Generator | None = None, samples: int = 1
    ) -> tuple[DiagonalGaussian, Tensor]:
        posterior = self.posterior(x).repeated(samples)
        return posterior, posterior.sample(generator)

    def negative_log_likelihood(
        self,
        x: Tensor,
        z: Tensor,
        condition: Tensor | None = None,
        generator: Generator | None = None,
        **decoding: float,
    ) -> Tensor:
        mean = z @ self.W.T + self.b
        return -DiagonalGaussian(mean, torch.full_like(mean, NOISE)).log_prob(x)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Log p(x) (B,): x is normal, with the covariance W W^T + noise^2 I."""
        covariance = self.W @ self.W.T + NOISE**2 * torch.eye(PIXELS, dtype=torch.float64)
        evidence: Tensor = MultivariateNormal(self.b, covariance).log_prob(x)
        return evidence

    def spoil(self) -> None:
        """Make the posterior wrong in its means, and wider than the true one."""
        with torch.no_grad():
            self.encoder.bias.add_(0.3)
            self.log_sigma.add_(0.5)


class Points(PrincipalComponents):
    """In the place of 2 Z draws, the points mu +- sqrt(Z) sigma along each axis.

    Of a quadratic function of z, such as this log p(x|z), their mean is the mean over all draws.
    """

    def infer(
        self, x: Tensor, condition: Tensor | None = None, generator: Generator | None = None, samples: int = 1
    ) -> tuple[DiagonalGaussian, Tensor]:
        axes = math.sqrt(LATENTS) * torch.eye(LATENTS, dtype=torch.float64)
        posterior, points = self.posterior(x).repeated(samples), torch.cat([axes, -axes])
        return posterior, posterior.mu + posterior.sigma * points.repeat(len(x), 1)


@pytest.fixture
def pca() -> PrincipalComponents:
    return PrincipalComponents()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, PIXELS, generator=seed(1), dtype=torch.float64)


def images() -> Tensor:
    return torch.randint(0, 2, (4, 1, 8, 8), generator=seed(0)).float()


@torch.no_grad()
def test_true_posterior_is_that_of_the_joint_gaussian(pca: PrincipalComponents, x: Tensor) -> None:
    """Conditioning by the full covariance, which knows nothing of orthogonal columns."""
    W, identity = pca.W, torch.eye(LATENTS, dtype=torch.float64)
    gain = W.T @ torch.linalg.inv(W @ W.T + NOISE**2 * torch.eye(PIXELS, dtype=torch.float64))
    posterior = pca.posterior(x)
    torch.testing.assert_close(posterior.mu, (x - pca.b) @ gain.T)
    torch.testing.assert_close(posterior.sigma[0].square().diag(), identity - gain @ W)


@torch.no_grad()
@pytest.mark.parametrize("samples", [2, 50])
def test_bound_of_several_draws_is_the_evidence_at_the_true_posterior(
    pca: PrincipalComponents, x: Tensor, samples: int
) -> None:
    """Every weight p(x, z) / q(z|x) is then p(x), whatever z is drawn."""
    bound = -pca(x, generator=seed(2), samples=samples).loss()
    torch.testing.assert_close(bound, pca.log_evidence(x), atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("spoilt", [False, True])
def test_elbo_falls_short_of_the_evidence_by_the_divergence_from_the_true_posterior(x: Tensor, spoilt: bool) -> None:
    """At the true posterior, by nothing; exact, because the points stand for all draws."""
    pca = Points()
    true = pca.posterior(x)
    if spoilt:
        pca.spoil()
    found = pca.posterior(x)
    gap = kl_divergence(Normal(found.mu, found.sigma), Normal(true.mu, true.sigma)).sum(1)
    assert (gap > 0.1).all() == spoilt
    nelbo = pca(x, samples=2 * LATENTS).nelbo
    torch.testing.assert_close(-nelbo, pca.log_evidence(x) - gap, atol=1e-10, rtol=0)


@torch.no_grad()
def test_bound_rises_towards_the_evidence_with_the_number_of_draws(pca: PrincipalComponents, x: Tensor) -> None:
    pca.spoil()
    same = x[:1].expand(500, -1)
    bounds = [-pca(same, generator=seed(3), samples=k).loss() for k in (1, 10, 100, 1000)]
    means = [float(bound.mean()) for bound in bounds]
    errors = [float(bound.std()) / math.sqrt(len(same)) for bound in bounds]
    evidence = float(pca.log_evidence(x)[0])
    for lower, higher, error in zip(means, means[1:], errors[1:], strict=False):
        assert lower < higher + 3 * error
    assert all(mean < evidence + 4 * error for mean, error in zip(means, errors, strict=True))
    assert means[0] < evidence - 0.1
    assert means[-1] == pytest.approx(evidence, abs=0.01)


@pytest.mark.parametrize("samples", [1, 5])
def test_gradient_of_the_reparameterised_bound_is_that_of_finite_differences(
    pca: PrincipalComponents, x: Tensor, samples: int, check_gradient: CheckGradient
) -> None:
    def loss() -> Tensor:
        elbo: Elbo = pca(x, generator=seed(4), samples=samples)
        return elbo.loss().mean()

    pca.spoil()
    check_gradient(pca, loss)


def test_gradient_of_the_elbo_vanishes_at_its_optimum(x: Tensor) -> None:
    """In the encoder, at the true posterior, for these x: no other posterior has a higher ELBO."""
    pca = Points()
    encoder = [*pca.encoder.parameters(), pca.log_sigma]
    for gradient in torch.autograd.grad(pca(x, samples=2 * LATENTS).nelbo.mean(), encoder):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-10, rtol=0)


@kinds
def test_without_beta_it_is_the_autoencoder_with_noise(kind: str) -> None:
    torch.manual_seed(0)
    vae = KINDS[kind]()
    loss, (_, z) = vae(images(), generator=seed(5)).loss(beta=0), vae.infer(images(), generator=seed(5))
    autoencoders = vae.negative_log_likelihood(images(), z)  # z: the code with noise
    torch.testing.assert_close(loss, autoencoders)
    weights = [*vae.parameters()]
    pulls = [torch.autograd.grad(of.mean(), weights, allow_unused=True) for of in (loss, autoencoders)]
    for pull, expected in zip(*pulls, strict=True):
        torch.testing.assert_close(pull, expected)


@kinds
def test_kl_as_the_only_loss_goes_to_zero(kind: str) -> None:
    torch.manual_seed(0)
    vae = KINDS[kind]()
    optimizer = torch.optim.Adam(vae.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        kl = vae(images(), generator=seed(6)).kl.mean()
        kl.backward()
        optimizer.step()
    assert float(kl.detach()) < 0.01
