"""The ten figures by name, and how all are drawn: the small models that several need are trained once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
from matplotlib.figure import Figure

from musevae.config import ConfigError, known
from musevae.figures import paper
from musevae.figures.arithmetic import arithmetic
from musevae.figures.bounds import bound_against_k, rate_distortion
from musevae.figures.comparisons import reconstructions, samples
from musevae.figures.latents import latent_scatter, manifold
from musevae.figures.painting import draw_canvases
from musevae.figures.paths import interpolations, traversals
from musevae.figures.studio import Progress, Studio, drawn_images
from musevae.trained_image_model import TrainedImageModel
from musevae.training.image_task import read

FIGURES: dict[str, Callable[[Studio], Figure]] = {
    "latent-scatter": latent_scatter,
    "manifold": manifold,
    "samples": samples,
    "reconstructions": reconstructions,
    "interpolations": interpolations,
    "arithmetic": arithmetic,
    "traversals": traversals,
    "draw-canvases": draw_canvases,
    "rate-distortion": rate_distortion,
    "bound-against-k": bound_against_k,
}
EPOCHS = 10  # of the small models


def chosen(names: tuple[str, ...]) -> list[str]:
    """The names of figures, in their order; all where none is given. ConfigError suggests the nearest of an unknown."""
    wanted = {known(name, FIGURES) for name in names or FIGURES}
    return [name for name in FIGURES if name in wanted]


def draw_figures(
    model: TrainedImageModel,
    paths: Mapping[str, Path],
    *,
    data: Path | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Draw figures into files, .png, by the figures' names.

    They are of a folder of images, as `read_images` reads it, or else of a few thousand that the model makes. Their
    small models are trained for so many `epochs`. ValueError for a plain autoencoder, ImageDataError for bad data.
    """
    if not model.config.model.noise:
        raise ConfigError(f"{model.name} is a plain autoencoder: the figures set one beside a VAE: give them a VAE")
    images = drawn_images(model, seed) if data is None else read(model.config, data)
    source = f"images made by {model.name}" if data is None else f"images of {data.resolve().name}"
    with TemporaryDirectory() as folder, matplotlib.rc_context(paper.STYLE):
        studio = Studio(model, images, source, epochs, seed, Path(folder), progress)
        for name, path in paths.items():
            paper.save(FIGURES[name](studio), path)
