"""Ways through latent space: from one image to another, and along one unit at a time."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from musevae import latent
from musevae.figures import paper
from musevae.figures.studio import Studio
from musevae.trained_image_model import Pixels

STEPS = 13  # of an interpolation, ends included
WAYS = 4  # from image to image
PAIRS = 2  # of images that are joined
UNITS = 8  # that are traversed
VALUES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # which a unit takes
SUBJECTS = 2  # images that are changed by them, at most


def interpolations(studio: Studio) -> Figure:
    """Strips from one held-out image to another: straight, on a great circle, by an autoencoder, and of pixels."""
    pixels = studio.held.pixels
    figure = paper.blank(paper.height(PAIRS * WAYS, STEPS, pixels))
    for number, axes in enumerate(figure.subplots(PAIRS, 1)):
        a, b = pixels[2 * number % len(pixels)], pixels[(2 * number + 1) % len(pixels)]
        strips = {
            "VAE, straight": studio.vae.interpolate(a, b, STEPS, straight=True),
            "VAE, spherical": studio.vae.interpolate(a, b, STEPS),
            "autoencoder": studio.autoencoder.interpolate(a, b, STEPS, straight=True),
            "pixels": mixed(a, b, STEPS),
        }
        paper.show(axes, np.concatenate(list(strips.values())), STEPS, rows=list(strips))
    return paper.head(
        figure,
        "From one image to another: through the latent space, and by mixing pixels",
        studio.note(f"VAE: {studio.vae.name}", studio.small),
    )


def traversals(studio: Studio) -> Figure:
    """Images as one of the most active units goes from -3 to 3, the others staying where they are."""
    posterior, _ = studio.posterior(studio.vae)
    subjects = posterior.mu[:SUBJECTS]
    units = latent.most_active(posterior.mu, UNITS)
    nats = posterior.kl_per_dim().mean(0)
    values = torch.tensor(VALUES, device=studio.device)
    figure = paper.blank(paper.height(len(units), len(subjects) * len(VALUES) + 1, studio.held.pixels))
    for z, axes in zip(subjects, figure.subplots(1, len(subjects), squeeze=False)[0], strict=True):
        points = torch.cat([latent.traversal(z, unit, values) for unit in units])
        words = [f"z{unit}\n{float(nats[unit]):.1f} nats" for unit in units]
        paper.show(axes, studio.vae.decode(points), len(VALUES), rows=words, tops=paper.signed(VALUES))
    return paper.head(
        figure,
        "The most active units, each from -3 to 3, with the KL that it carries",
        studio.note(f"VAE: {studio.vae.name}, from the codes of held-out images"),
    )


def mixed(a: Pixels, b: Pixels, n: int) -> Pixels:
    """`n` images from a (C, H, W) to b, ends included, their pixels mixed."""
    share = np.linspace(0, 1, n)[:, None, None, None]
    return np.rint((1 - share) * a + share * b).astype(np.uint8)
