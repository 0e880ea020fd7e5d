"""The evidence lower bound of every model here, music and images alike, and two objectives related to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

NATS_PER_BIT = math.log(2)


@dataclass(frozen=True, eq=False)
class Elbo:
    """Both terms of the negative ELBO, one value per example, unweighted; weights exist in `loss` alone."""

    reconstruction: Tensor  # (B,) nats: -log p(x|z), a cost (lower is better), summed over steps or pixels
    kl_per_dim: Tensor  # (B, Z) nats: KL(q(z|x) || p(z)) of each latent dimension

    @property
    def kl(self) -> Tensor:
        """KL(q(z|x) || p(z)) (B,) in nats."""
        return self.kl_per_dim.sum(-1)

    @property
    def nelbo(self) -> Tensor:
        """The negative ELBO (B,) in nats, an upper bound of -log p(x): the loss at beta 1 without free bits."""
        return self.reconstruction + self.kl

    def loss(self, beta: float = 1.0, free_bits: float = 0.0, free_bits_per_dim: float = 0.0) -> Tensor:
        """What training minimises, (B,) in nats: reconstruction + beta * max(kl - free_bits, 0).

        `free_bits` is a budget in bits for the whole vector (Roberts et al. 2018, section 2.1.1), `free_bits_per_dim`
        one for each latent dimension (Kingma et al. 2016, appendix C.8); of both, the dimensions' come off first.
        """
        kl = self.kl_per_dim
        if free_bits_per_dim:
            kl = (kl - free_bits_per_dim * NATS_PER_BIT).clamp(min=0)
        total = kl.sum(-1)
        if free_bits:
            total = (total - free_bits * NATS_PER_BIT).clamp(min=0)
        return self.reconstruction + beta * total


def iwae_bound(log_weights: Tensor) -> Tensor:
    """The importance-weighted lower bound of log p(x) (B,) in nats (Burda et al. 2016, equation 8).

    `log_weights` (K, B) are log p(x, z_k) - log q(z_k|x) of K draws z_k ~ q(z|x); K = 1 is the ELBO.
    """
    return log_weights.logsumexp(0) - math.log(log_weights.shape[0])


def mmd(x: Tensor, y: Tensor) -> Tensor:
    """Squared maximum mean discrepancy () between samples x (N, Z) and y (M, Z), as in InfoVAE (Zhao et al. 2019).

    The biased estimator (never negative), with the kernel exp(-|a - b|^2 / 2Z); 2Z is the mean squared distance between
    two draws from N(0, I).
    """

    def mean_kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(a, b).square().div(-2 * a.shape[-1]).exp().mean()

    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)
