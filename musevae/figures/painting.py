"""How DRAW paints: its canvas after each glimpse (Gregor et al. 2015, figure 7)."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from musevae.config import ImageModelConfig
from musevae.figures import paper
from musevae.figures.studio import Studio
from musevae.trained_image_model import Pixels, TrainedImageModel
from musevae.vaes import Draw

ROWS = 8  # paintings of each kind
MOST_GLIMPSES = 10  # shown of a given model that has more
GLIMPSES, Z, HIDDEN = 5, 8, 64  # of the small model
TRAINING = {"learning_rate": 5e-3, "clip_norm": 10.0}  # with which it is good in few steps


def draw_canvases(studio: Studio) -> Figure:
    """Canvases of samples, and of held-out images that are followed, glimpse after glimpse."""
    model = painter(studio)
    x = studio.held.pixels[:ROWS]
    painted = {
        "samples: z from N(0, I)": canvases(model, model.prior(ROWS, studio.seed)),
        "reconstructions, and the held-out image": np.concatenate(
            [canvases(model, torch.from_numpy(model.encode(x))), x[:, None]], axis=1
        ),
    }
    widths = [made.shape[1] for made in painted.values()]
    figure = paper.blank(paper.height(len(x), sum(widths), x))
    for axes, (title, made) in zip(figure.subplots(1, 2, width_ratios=widths), painted.items(), strict=True):
        tops = [str(number) for number in glimpses_shown(model)]
        paper.show(axes, made.reshape(-1, *made.shape[2:]), made.shape[1], tops=[*tops, "image"][: made.shape[1]])
        axes.set_title(title)
    worth = studio.worth(model)
    return paper.head(
        figure,
        "DRAW's canvas after each glimpse",
        studio.note(f"{model.name}: -ELBO {worth['nelbo_nats']:.1f} nats, KL {worth['kl_nats']:.1f}", studio.small),
    )


def painter(studio: Studio) -> TrainedImageModel:
    """The given model where it is DRAW, or else a small one."""
    if isinstance(studio.model.vae, Draw):
        return studio.model
    likelihood = studio.architecture.likelihood
    small = ImageModelConfig(network="draw", z_size=Z, hidden_size=HIDDEN, glimpses=GLIMPSES, likelihood=likelihood)
    return studio.trained("draw", small, **TRAINING)


def canvases(model: TrainedImageModel, z: torch.Tensor) -> Pixels:
    """Mean images (N, T, C, H, W) after the glimpses that are shown, of z (N, Z)."""
    assert isinstance(model.vae, Draw)
    means = model.vae.canvases(z.to(next(model.vae.parameters()).device))
    shown = means[:, [number - 1 for number in glimpses_shown(model)]]
    return (shown * 255).round().to(torch.uint8).cpu().numpy()


def glimpses_shown(model: TrainedImageModel) -> list[int]:
    """Numbers of glimpses from 1, the last among them."""
    last = model.config.model.glimpses
    return [round(number) for number in np.linspace(1, last, min(last, MOST_GLIMPSES))]
