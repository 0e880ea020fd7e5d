"""Arithmetic with codes: an attribute's vector added and taken away, and x - a + b (Larsen et al. 2016; White 2016)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musevae.figures import paper
from musevae.figures.studio import Studio
from musevae.figures.telling import telling_attributes
from musevae.images.attributes import MEASURES
from musevae.images.image_set import ImageSet
from musevae.trained_image_model import Pixels

TIMES = (-2.0, -1.0, 0.0, 1.0, 2.0)  # the attribute's vector
ROWS = 4  # images of each panel
ATTRIBUTES = 3  # panels of them, at most


def arithmetic(studio: Studio) -> Figure:
    """A panel for each attribute, whose vector is added to images -2 to 2 times, and one of x - a + b."""
    attributes = telling_attributes(studio.held, ATTRIBUTES)
    panels = -(-(len(attributes) + 1) // 2)  # above each other
    figure = paper.blank(paper.height(panels * (ROWS + 1), 2 * len(TIMES) + 1, studio.held.pixels))
    every = figure.subplots(panels, 2, squeeze=False).ravel()
    for axes, (name, has) in zip(every, attributes.items(), strict=False):
        show_strips(axes, studio, name, has)
    show_sums(every[len(attributes)], studio, attributes)
    for axes in every[len(attributes) + 1 :]:
        axes.set_axis_off()
    return paper.head(
        figure,
        "Arithmetic in latent space: an attribute's vector added -2 to 2 times",
        studio.note(f"{studio.vae.name}; the vector is the mean of the codes with the attribute less that without"),
    )


def show_strips(axes: Axes, studio: Studio, name: str, has: NDArray[np.bool_]) -> None:
    """Held images with an attribute's vector added, and the mean of the attribute where the pixels tell it."""
    made = studio.vae.attribute_strips(studio.held.pixels, has, ROWS, TIMES)
    tops = paper.signed(TIMES)
    if name in MEASURES and name not in studio.held.attribute_names:
        tops = [f"{top} ({size:.2f})" for top, size in zip(tops, measured(made, name), strict=True)]
        name = f"{name} (in brackets its mean)"
    paper.show(axes, made, len(TIMES), tops=tops)
    axes.set_title(name)


def show_sums(axes: Axes, studio: Studio, attributes: dict[str, NDArray[np.bool_]]) -> None:
    """Rows of x, a, b and x - a + b: b has an attribute that x and a have not, where there are attributes."""
    sums = [studio.vae.arithmetic(*triple) for triple in triples(studio.held, attributes)]
    paper.show(axes, np.concatenate(sums), 4, tops=["x", "a", "b", "x - a + b"], rows=list(attributes))
    axes.set_title("x - a + b: b has what x and a have not" if attributes else "x - a + b")


def triples(images: ImageSet, attributes: dict[str, NDArray[np.bool_]]) -> list[Pixels]:
    """Images x, a and b (3, C, H, W): for each attribute two without and one with it, or any three."""
    if not attributes:
        return [images.pixels[np.arange(3 * row, 3 * row + 3) % len(images)] for row in range(ROWS)]
    found = []
    for number, has in enumerate(attributes.values()):
        without, others = np.flatnonzero(~has), np.flatnonzero(has)
        x, a = without[[2 * number % len(without), (2 * number + 1) % len(without)]]
        found.append(images.pixels[[x, a, others[number % len(others)]]])
    return found


def measured(made: Pixels, name: str) -> list[float]:
    """The mean of what pixels tell of images (N * T, 1, H, W), by column of T."""
    sizes = MEASURES[name](made[:, 0] / 255).reshape(-1, len(TIMES))
    return [float(size) for size in sizes.mean(0)]
