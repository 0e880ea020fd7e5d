"""Diagonal Gaussians: the approximate posterior and the prior of a VAE (Kingma & Welling 2014, sections 2.4 and 3).

And, in a posterior's place, the point that a plain autoencoder makes of an example.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class DiagonalGaussian:
    """A batch of Gaussians N(mu, diag(sigma^2)), independent in every dimension."""

    mu: Tensor  # (B, Z) means
    sigma: Tensor  # (B, Z) standard deviations, > 0

    @classmethod
    def standard_like(cls, z: Tensor) -> DiagonalGaussian:
        """The prior N(0, I), in the shape, dtype and device of z (B, Z)."""
        return cls(torch.zeros_like(z), torch.ones_like(z))

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw z = mu + sigma * eps (B, Z), differentiable in mu and sigma (the reparameterisation trick)."""
        device = self.mu.device if generator is None else generator.device
        eps = torch.randn(self.mu.shape, generator=generator, dtype=self.mu.dtype, device=device)
        return self.mu + self.sigma * eps.to(self.mu.device)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density log N(z; mu, sigma) (B,) in nats for z (B, Z)."""
        eps = (z - self.mu) / self.sigma
        return -(0.5 * (eps**2 + LOG_2PI) + self.sigma.log()).sum(-1)

    def kl_per_dim(self) -> Tensor:
        """KL(N(mu, sigma) || N(0, 1)) (B, Z) in nats, one value per latent dimension (Kingma & Welling, appendix B)."""
        return 0.5 * (self.mu**2 + self.sigma**2 - 1) - self.sigma.log()

    def kl(self) -> Tensor:
        """KL(N(mu, sigma) || N(0, I)) (B,) in nats."""
        return self.kl_per_dim().sum(-1)

    def at(self, rows: Tensor) -> DiagonalGaussian:
        """Those of `rows` (N,), with repetitions as given: (N, Z)."""
        return DiagonalGaussian(self.mu[rows], self.sigma[rows])

    def repeated(self, n: int) -> DiagonalGaussian:
        """Each of the batch `n` times in a row, (B * n, Z)."""
        return DiagonalGaussian(self.mu.repeat_interleave(n, 0), self.sigma.repeat_interleave(n, 0)) if n > 1 else self


@dataclass(frozen=True, eq=False)
class Point:
    """All mass at mu: a plain autoencoder's code, without noise and without a KL."""

    mu: Tensor  # (B, Z)

    @property
    def sigma(self) -> Tensor:
        """Zeros (B, Z)."""
        return torch.zeros_like(self.mu)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Mu itself (B, Z)."""
        return self.mu

    def log_prob(self, z: Tensor) -> Tensor:
        """ValueError: a point has no density."""
        raise ValueError("a plain autoencoder has no density of z: it has a reconstruction, but no bound of log p(x)")

    def kl_per_dim(self) -> Tensor:
        """Zeros (B, Z): an autoencoder pays nothing for its code."""
        return torch.zeros_like(self.mu)

    def at(self, rows: Tensor) -> Point:
        """Those of `rows` (N,): (N, Z)."""
        return Point(self.mu[rows])

    def repeated(self, n: int) -> Point:
        """Each of the batch `n` times in a row, (B * n, Z)."""
        return Point(self.mu.repeat_interleave(n, 0)) if n > 1 else self


Posterior: TypeAlias = "DiagonalGaussian | Point"
