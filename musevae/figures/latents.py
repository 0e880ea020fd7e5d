"""What the two terms of the ELBO do to a latent space that can be looked at: one of two dimensions."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray
from torch import Tensor

from musevae.figures import paper
from musevae.figures.studio import Studio
from musevae.figures.telling import Kinds, kinds
from musevae.trained_image_model import TrainedImageModel

TERMS = {"KL alone": 1000.0, "reconstruction alone": 0.0, "both": 1.0}  # what is learnt -> by which beta
RADII = (1, 2)  # of the prior's circles, in standard deviations
SIDE = 20  # of the manifold, in images
DISTINCT = "tab10"  # colours of classes; where there are more than ten, some share one
GRADUAL = "viridis"


def latent_scatter(studio: Studio) -> Figure:
    """Where q(z|x) puts images under the KL alone, under reconstruction alone, and under both."""
    figure, shown = paper.blank(4.0), kinds(studio.held)
    every = figure.subplots(1, len(TERMS))
    for axes, (title, beta) in zip(every, TERMS.items(), strict=True):
        model = plane(studio, beta)
        _, z = studio.posterior(model)
        worth = studio.worth(model)
        rate, distortion = worth["kl_nats"], worth["reconstruction_nats"]
        axes.set_title(f"{title} (beta {beta:g})\nKL {rate:.1f}, reconstruction {distortion:.1f} nats")
        scatter(axes, z, shown)
    if shown is not None:
        explain(figure, every, shown)
    return paper.head(
        figure,
        "One latent space of two dimensions under each term of the ELBO, and under both",
        studio.note("a draw from q(z|x) of each held-out image; circles: 1 and 2 sigma of the prior", studio.small),
    )


def manifold(studio: Studio) -> Figure:
    """What a VAE of two dimensions decodes from a grid that is even under the prior."""
    model, n = plane(studio, TERMS["both"]), SIDE
    made = model.decode(quantile_grid(n))
    figure = paper.blank(paper.height(n, n, made))
    paper.show(figure.subplots(), made, n, gap=0)
    return paper.head(
        figure,
        f"The manifold of a two-dimensional VAE: {n} x {n} quantiles of N(0, I), decoded",
        studio.note(f"-ELBO {studio.worth(model)['nelbo_nats']:.1f} nats", studio.small),
    )


def plane(studio: Studio, beta: float) -> TrainedImageModel:
    """A VAE of two latent dimensions."""
    return studio.trained(f"plane-beta-{beta:g}", replace(studio.architecture, z_size=2), beta=beta)


def quantile_grid(n: int) -> Tensor:
    """Points (n * n, 2) at the middles of n x n cells of equal mass under N(0, I), row by row from the upper left."""
    quantiles = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    up, right = torch.meshgrid(quantiles.flip(0), quantiles, indexing="ij")
    return torch.stack([right, up], dim=-1).flatten(0, 1)


def scatter(axes: Axes, z: NDArray[np.float32], shown: Kinds | None) -> None:
    """Points z (N, 2), coloured by what is known of them, with circles of the prior."""
    for radius in RADII:
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=paper.QUIET, linewidth=0.6, zorder=3))
    coloured = {"color": paper.ACCENT} if shown is None else {"c": shown.values, **_map(shown)}
    axes.scatter(z[:, 0], z[:, 1], s=6, linewidths=0, alpha=0.8, **coloured)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="z0", ylabel="z1")


def explain(figure: Figure, every: NDArray[np.object_], shown: Kinds) -> None:
    """What the colours say, on the right of all axes."""
    points = every[-1].collections[-1]
    if not shown.classes:
        figure.colorbar(points, ax=list(every), label=shown.name, shrink=0.7, aspect=30).outline.set_visible(False)
        return
    handles, _ = points.legend_elements(num=list(range(len(shown.classes))))
    figure.legend(handles, shown.classes, title=shown.name, loc="outside right center", handletextpad=0)


def _map(shown: Kinds) -> dict[str, object]:
    """How values become colours."""
    if count := len(shown.classes):
        colours = matplotlib.color_sequences[DISTINCT]
        cycle = ListedColormap([colours[number % len(colours)] for number in range(count)])
        return {"cmap": cycle, "vmin": -0.5, "vmax": count - 0.5}
    low, high = np.quantile(shown.values, (0.02, 0.98))
    return {"cmap": GRADUAL, "vmin": low, "vmax": high}
