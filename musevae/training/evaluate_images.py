"""What an image model is worth on held-out images: the ELBO, the bound of many draws, bits, active units."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from musevae.images.image_set import ImageDataError
from musevae.training.bounds import active_units, iwae, mean_nats
from musevae.training.datasets import seeded
from musevae.training.image_task import Examples, Images, read
from musevae.vaes import AnyImageVae

BATCH = 500


def evaluate_images(
    vae: AnyImageVae,
    data: str | Images,
    split: str = "test",
    *,
    draws: int | None = None,
    images: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The figures of `musevae image evaluate` on a split of images, or its first `images`, keyed by their names.

    What is random of the images (Bernoulli: black or white) and z are drawn once, by the seed; beta is 1. With `draws`
    there is the bound of so many of them (IWAE), which a plain autoencoder has not. ImageDataError where the split is
    empty.
    """
    if draws is not None and not vae.config.model.noise:
        raise ValueError("a plain autoencoder has no bound of log p(x): leave out --iwae")
    source = Path(data) if isinstance(data, str) else data
    held = read(vae.config, source, split)[split]
    if not len(held):
        raise ImageDataError(f"{data} has no images in its {split} split: choose another with --split")
    device = next(vae.parameters()).device
    examples = Examples(held.select(slice(0, images)), vae.config, source, device)
    values, noise = seeded(torch.device("cpu"), seed, 0), seeded(device, seed, 1)  # one test set on any device
    reconstruction, kl, mu, bounds = [], [], [], []
    vae.eval()
    with torch.inference_mode():
        for batch in examples.batches(BATCH, values):
            elbo = vae(*batch, generator=noise)
            reconstruction.append(elbo.reconstruction)
            kl.append(elbo.kl)
            mu.append(vae.posterior(*batch).mu)
            if draws is not None:
                bounds.append(iwae(vae, batch, draws, noise))
            if progress:
                progress(sum(map(len, kl)), len(examples))
    distortion, rate = mean_nats(torch.cat(reconstruction)), mean_nats(torch.cat(kl))
    dims = math.prod(vae.config.images.shape)
    nelbo = distortion + rate if vae.config.model.noise else None  # a plain autoencoder bounds nothing
    return {
        "images": len(examples),
        "nelbo_nats": nelbo,
        "reconstruction_nats": distortion,
        "kl_nats": rate,
        "iwae_nats": -mean_nats(torch.cat(bounds)) if bounds else None,
        "k": draws,
        "bits_per_dim": None if nelbo is None else vae.likelihood.bits_per_dim(nelbo, dims),
        "active_units": active_units(torch.cat(mu)),
    }
