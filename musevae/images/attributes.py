"""Attributes of grey images that the pixels themselves tell, bright ink on black: those of Morpho-MNIST, made simpler.

After Castro et al., "Morpho-MNIST", JMLR 20 (2019), but measured on grey levels: no threshold, no skeleton.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from musevae.images.image_set import ImageDataError, ImageSet

BLOCK = 4096  # images that are measured at once

Floats = NDArray[np.float64]


def pixel_attributes(pixels: NDArray[np.uint8]) -> dict[str, Floats]:
    """Attributes (N,) of images (N, 1, H, W); 0 for blank ones.

    `thickness` is the mean width of the strokes in pixels, `slant` how far they lean to the right for each pixel they
    rise (0 is upright), `width` how many pixels wide the whole is.
    """
    return {name: np.concatenate(list(_measured(pixels, measure))) for name, measure in MEASURES.items()}


def attribute_of(images: ImageSet, name: str) -> NDArray[np.bool_]:
    """Which images (N,) have an attribute of their list or, of grey ones, more of one of the pixels' than the median.

    ImageDataError, naming what there is, where there is no such attribute.
    """
    if name in images.attribute_names and images.attributes is not None:
        found: NDArray[np.bool_] = images.attributes[:, images.attribute_names.index(name)]
        return found
    grey = images.pixels.shape[1] == 1
    if not (grey and name in MEASURES):
        known = ", ".join([*images.attribute_names, *(MEASURES if grey else ())]) or "none"
        raise ImageDataError(f"{name} is no attribute of these images; they have: {known}")
    values = np.concatenate(list(_measured(images.pixels, MEASURES[name])))
    above: NDArray[np.bool_] = np.greater(values, np.median(values))
    return above


def dividing(images: ImageSet, name: str) -> NDArray[np.bool_]:
    """`attribute_of`, where some of the images have it and some not; ImageDataError else."""
    found = attribute_of(images, name)
    if found.all() or not found.any():
        raise ImageDataError(f"{name}: {int(found.sum())} of {len(images)} images have it: choose another --split")
    return found


def _measured(pixels: NDArray[np.uint8], measure: Callable[[Floats], Floats]) -> Iterator[Floats]:
    for first in range(0, max(1, len(pixels)), BLOCK):
        yield measure(pixels[first : first + BLOCK, 0] / 255)


def thickness(ink: Floats) -> Floats:
    """Twice the area of the ink (N, H, W) over the length of its edge, in pixels.

    A stroke of width w and length l has the area w l and, but for its ends, the edge 2 l. Of a grey image the edge is
    the total variation: the length of the edge at each grey level, averaged over the levels (the coarea formula).
    """
    framed = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    across, down = np.diff(framed, axis=2), np.diff(framed, axis=1)
    steepness = np.hypot(across[:, 1:] + across[:, :-1], down[..., 1:] + down[..., :-1]) / 2  # where four pixels meet
    return _ratio(2 * ink.sum((1, 2)), steepness.sum((1, 2)))


def slant(ink: Floats) -> Floats:
    """The shear of the ink (N, H, W) that its second moments show: the tangent of its angle to the vertical."""
    _, covariance, vertical = _moments(ink)
    return _ratio(-covariance, vertical)  # rows are counted downwards


def width(ink: Floats) -> Floats:
    """The width in pixels of the upright bar whose ink is spread sideways as widely as this (N, H, W)."""
    horizontal, _, _ = _moments(ink)
    return np.where(ink.any((1, 2)), np.sqrt(12 * horizontal + 1), 0)  # w columns have the variance (w^2 - 1) / 12


MEASURES = {"thickness": thickness, "slant": slant, "width": width}


def _moments(ink: Floats) -> tuple[Floats, Floats, Floats]:
    """The ink's (N, H, W) variance by column, covariance of column and row, and variance by row; each (N,)."""
    _, H, W = ink.shape
    mass, by_column, by_row = ink.sum((1, 2)), ink.sum(1), ink.sum(2)
    x = np.arange(W) - _ratio(by_column @ np.arange(W), mass)[:, np.newaxis]  # (N, W), from the ink's middle
    y = np.arange(H) - _ratio(by_row @ np.arange(H), mass)[:, np.newaxis]  # (N, H)
    both = np.einsum("nhw,nw,nh->n", ink, x, y, optimize=True)
    return _ratio((by_column * x**2).sum(1), mass), _ratio(both, mass), _ratio((by_row * y**2).sum(1), mass)


def _ratio(of: Floats, to: Floats) -> Floats:
    """Quotients (N,), 0 where the divisor is."""
    return np.divide(of, to, out=np.zeros_like(of), where=to > 0)
