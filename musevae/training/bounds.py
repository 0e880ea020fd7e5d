"""What any VAE is worth, of music and of images: both terms of the ELBO, the bound of many draws, active units."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from musevae.models.elbo import Elbo, iwae_bound
from musevae.models.vae import Vae
from musevae.training.task import Batch

ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, section 5.2
ROWS = 2048  # that go through a decoder at once: what they become still fits a cache


def iwae(vae: Vae, batch: Batch, draws: int, generator: Generator) -> Tensor:
    """The importance-weighted bound of log p(x) (B,) in nats, of `draws` > 1 draws of z for each example."""
    at_once = max(1, ROWS // draws)
    parts = zip(*(torch.split(part, at_once) for part in batch), strict=True)
    return torch.cat([iwae_bound(_log_weights(vae, part, draws, generator)) for part in parts])


def _log_weights(vae: Vae, batch: Batch, draws: int, generator: Generator) -> Tensor:
    """Log p(x, z) - log q(z|x) (draws, B), in passes of about as many draws, more than one, at most ROWS."""
    passes = -(-draws // ROWS)
    counts = [draws // passes + (number < draws % passes) for number in range(passes)]
    elbos: list[Elbo] = [vae(*batch, generator=generator, samples=count) for count in counts]
    return torch.cat([elbo.log_weights for elbo in elbos if elbo.log_weights is not None])


def active_units(mu: Tensor) -> int:
    """How many latent units' posterior means mu (N, Z) vary over the data by more than 0.01."""
    return int((mu.double().var(0, unbiased=False) > ACTIVE_VARIANCE).sum())


def mean_nats(values: Tensor) -> float:
    """The mean of values (N,)."""
    return float(values.double().mean())
