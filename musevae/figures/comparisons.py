"""A VAE beside the plain autoencoder of the same architecture: what it samples, and what it reconstructs."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from musevae.figures import paper
from musevae.figures.studio import Studio
from musevae.models.elbo import mmd_to_prior
from musevae.trained_image_model import TrainedImageModel

SIDE = 8  # of a sheet of samples, in images
COLUMNS = 14  # of reconstructions


def samples(studio: Studio) -> Figure:
    """Both models' images of z drawn from N(0, I), on which the plain autoencoder was never asked to agree."""
    figure = paper.blank(paper.height(SIDE, 2 * SIDE, studio.held.pixels))
    panels = {"VAE": studio.vae, "plain autoencoder": studio.autoencoder}
    for axes, (title, model) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        paper.show(axes, model.sample(SIDE**2, seed=studio.seed), SIDE)
        axes.set_title(f"{title}: codes are at MMD {distance_to_prior(studio, model):.3f} from the prior")
    return paper.head(
        figure,
        "Samples: z drawn from N(0, I) and decoded",
        studio.note(f"VAE: {studio.vae.name}", studio.small),
    )


def reconstructions(studio: Studio) -> Figure:
    """Held-out images above what both models make of them."""
    pixels = studio.held.pixels[:COLUMNS]
    models = {"VAE": studio.vae, "autoencoder": studio.autoencoder}
    rows = [pixels, *(model.reconstruct(pixels) for model in models.values())]
    costs = {title: studio.worth(model)["reconstruction_nats"] for title, model in models.items()}
    words = ["held out", *(f"{title}\n{nats:.1f} nats" for title, nats in costs.items())]
    figure = paper.blank(paper.height(len(rows), len(pixels), pixels))
    paper.show(figure.subplots(), np.concatenate(rows), len(pixels), rows=words)
    return paper.head(
        figure,
        "Reconstructions, with the mean of -log p(x|z)",
        studio.note(f"VAE: {studio.vae.name}", studio.small),
    )


def distance_to_prior(studio: Studio, model: TrainedImageModel) -> float:
    """Squared maximum mean discrepancy between draws from q(z|x) of the held images and N(0, I)."""
    _, z = studio.posterior(model)
    return float(mmd_to_prior(torch.from_numpy(z)))
