"""The paper of all figures: one width, one hand, greys for images and few colours for what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from musevae.files import replaced
from musevae.images.sheets import sheet
from musevae.trained_image_model import Pixels

WIDTH_INCHES = 9.0
WORDS_INCHES, HEAD_INCHES = 0.9, 0.85  # beside rows of images, and above and below them
DPI = 160
INK, QUIET, RULE = "#222222", "#767676", "#d9d9d9"
ACCENT, SECOND = "#0b62a4", "#c8541b"  # blue and orange: told apart by everybody
STYLE: dict[Any, Any] = {  # matplotlib's own keys
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.08,
    "legend.fontsize": 8,
}


def blank(height_inches: float) -> Figure:
    """An empty figure."""
    return Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DPI, layout="constrained")


def height(rows: int, columns: int, pixels: Pixels) -> float:
    """The height in inches of a figure with so many images (N, C, H, W) above and beside each other."""
    H, W = pixels.shape[2:]
    return HEAD_INCHES + rows * (WIDTH_INCHES - WORDS_INCHES) / columns * float(H / W)


def head(figure: Figure, title: str, note: str) -> Figure:
    """The figure with what is seen above it, and with small print below."""
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=11, fontweight="bold")
    figure.supxlabel(note, x=0.01, horizontalalignment="left", fontsize=7, color=QUIET)
    return figure


def show(
    axes: Axes, pixels: Pixels, columns: int, *, gap: int = 2, rows: Sequence[str] = (), tops: Sequence[str] = ()
) -> None:
    """Images (N, C, H, W) row by row in so many columns, with words beside the rows and above the columns."""
    _, C, H, W = pixels.shape
    picture = sheet(pixels, columns, gap)  # (H', W', C)
    axes.imshow(picture[..., 0] if C == 1 else picture, cmap="gray", vmin=0, vmax=255)
    axes.set_xticks(_middles(len(tops), W, gap), tops)
    axes.set_yticks(_middles(len(rows), H, gap), rows)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def signed(numbers: Sequence[float]) -> list[str]:
    """Numbers with their signs, but for 0."""
    return [f"{number:+g}" if number else "0" for number in numbers]


def label(axes: Axes, words: str, point: tuple[float, float], points_away: tuple[float, float]) -> None:
    """Words beside a point of the data, so many typographic points away from it: to the left where that is negative."""
    side = "right" if points_away[0] < 0 else "left"
    axes.annotate(words, point, points_away, textcoords="offset points", fontsize=8, horizontalalignment=side)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as .png, whole or not at all."""
    with replaced(path) as file:
        figure.savefig(file, format="png")


def _middles(count: int, size: int, gap: int) -> list[float]:
    """Where the middles of so many images in a row are."""
    return [(size - 1) / 2 + number * (size + gap) for number in range(count)]
