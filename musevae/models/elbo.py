"""The evidence lower bound of every model here, music and images alike, and the objectives related to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from musevae.models.outputs import uniform

NATS_PER_BIT = math.log(2)


@dataclass(frozen=True, eq=False)
class Elbo:
    """Both terms of the negative ELBO, one value per example, unweighted; weights exist in `loss` alone.

    With K draws of z for an example, the terms are means over them.
    """

    reconstruction: Tensor  # (B,) nats: -log p(x|z), a cost (lower is better), summed over steps or pixels
    kl_per_dim: Tensor  # (B, Z) nats: KL(q(z|x) || p(z)) of each latent dimension
    z: Tensor | None = None  # (B * K, Z): the draws at which it was taken
    log_weights: Tensor | None = None  # (K, B) nats: log p(x, z) - log q(z|x) of each draw, where K > 1

    @property
    def kl(self) -> Tensor:
        """KL(q(z|x) || p(z)) (B,) in nats."""
        return self.kl_per_dim.sum(-1)

    @property
    def nelbo(self) -> Tensor:
        """The negative ELBO (B,) in nats, an upper bound of -log p(x): the loss at beta 1 without free bits."""
        return self.reconstruction + self.kl

    def loss(
        self, beta: float = 1.0, free_bits: float = 0.0, free_bits_per_dim: float = 0.0, mmd: float = 0.0
    ) -> Tensor:
        """What training minimises, (B,) in nats: reconstruction + beta * max(kl - free_bits, 0).

        `free_bits` is a budget in bits for the whole vector (Roberts et al. 2018, section 2.1.1), `free_bits_per_dim`
        one for each latent dimension (Kingma et al. 2016, appendix C.8); of both, the dimensions' come off first.
        `mmd` is the weight of the discrepancy between the batch's z and the prior (InfoVAE, Zhao et al. 2019, equation
        6). With K > 1 draws, beta 1 and nothing else, it is the negative IWAE bound (Burda et al. 2016, equation 8).
        """
        if self.log_weights is not None:
            if (beta, free_bits, free_bits_per_dim, mmd) != (1, 0, 0, 0):
                raise ValueError("the bound of several draws has no weights: beta must be 1, free bits and mmd 0")
            return -iwae_bound(self.log_weights)
        kl = self.kl_per_dim
        if free_bits_per_dim:
            kl = (kl - free_bits_per_dim * NATS_PER_BIT).clamp(min=0)
        total = kl.sum(-1)
        if free_bits:
            total = (total - free_bits * NATS_PER_BIT).clamp(min=0)
        loss = self.reconstruction + beta * total
        if mmd:
            assert self.z is not None
            loss = loss + mmd * mmd_to_prior(self.z)
        return loss


def iwae_bound(log_weights: Tensor) -> Tensor:
    """The importance-weighted lower bound of log p(x) (B,) in nats (Burda et al. 2016, equation 8).

    `log_weights` (K, B) are log p(x, z_k) - log q(z_k|x) of K draws z_k ~ q(z|x); K = 1 is the ELBO.
    """
    return log_weights.logsumexp(0) - math.log(log_weights.shape[0])


def resample(log_weights: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
    """Rows b * K + k (B * n,) of n draws an example, with replacement, each k as often as its weight has it.

    `log_weights` (K, B) are those of `iwae_bound`. Systematic resampling: the n are spread evenly over the cumulated
    weights, from a random start, which as a rule varies less than n independent draws (Kitagawa 1996).
    """
    K, B = log_weights.shape
    cumulated = log_weights.double().softmax(0).cumsum(0).T.contiguous()  # (B, K)
    start = uniform((B, 1), cumulated.device, generator).double()
    k = torch.searchsorted(cumulated, (torch.arange(n, device=start.device) + start) / n, right=True).clamp(max=K - 1)
    return (torch.arange(B, device=k.device).unsqueeze(1) * K + k).flatten()


def mean_kernel(x: Tensor, y: Tensor) -> Tensor:
    """The mean () over all pairs of x (N, Z) and y (M, Z) of the kernel exp(-|x - y|^2 / 2Z)."""
    mean: Tensor = torch.cdist(x, y).square().div(-2 * x.shape[-1]).exp().mean()
    return mean


def mmd(x: Tensor, y: Tensor) -> Tensor:
    """Squared maximum mean discrepancy () between samples x (N, Z) and y (M, Z), as in InfoVAE (Zhao et al. 2019).

    The biased estimator (never negative), with the kernel exp(-|a - b|^2 / 2Z); 2Z is the mean squared distance between
    two draws from N(0, I).
    """
    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)


def mmd_to_prior(z: Tensor) -> Tensor:
    """`mmd` () between samples z (N, Z) and the whole of N(0, I), whose means of the kernel have a closed form."""
    Z = z.shape[1]
    across: Tensor = z.square().sum(-1).div(-2 * (Z + 1)).exp().mean()
    found: Tensor = mean_kernel(z, z) - 2 * (1 + 1 / Z) ** (-Z / 2) * across + (1 + 2 / Z) ** (-Z / 2)
    return found
