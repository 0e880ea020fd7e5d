"""Pictures in and out: many images side by side as one, a .png of it, and a single picture of a user's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musevae.extras import extra
from musevae.files import replaced
from musevae.images.image_set import ImageDataError
from musevae.images.pictures import decode

PAPER = 255  # between the images and where the last row has none


def sheet(pixels: NDArray[np.uint8], columns: int, gap: int = 2) -> NDArray[np.uint8]:
    """Images (N, C, H, W), N >= 1, row by row in so many columns with white between: (H', W', C).

    `gap` is in pixels. Fewer images than columns make one row of them.
    """
    N, C, H, W = pixels.shape
    columns = min(columns, N)
    rows = -(-N // columns)
    cells = np.full((rows * columns, H + gap, W + gap, C), PAPER, np.uint8)
    cells[:N, :H, :W] = pixels.transpose(0, 2, 3, 1)
    grid = cells.reshape(rows, columns, H + gap, W + gap, C).swapaxes(1, 2)  # (rows, H + gap, columns, W + gap, C)
    return grid.reshape(rows * (H + gap), columns * (W + gap), C)[: rows * (H + gap) - gap, : columns * (W + gap) - gap]


def write_png(array: NDArray[np.uint8], path: Path) -> None:
    """Write a picture (H, W, C), grey or RGB, as .png."""
    with extra("images"):
        from PIL import Image  # an extra
    H, W, C = array.shape
    with replaced(path) as file:
        Image.fromarray(np.ascontiguousarray(array.reshape(H, W) if C == 1 else array)).save(file, "PNG")


def read_picture(path: Path, channels: int, height: int, width: int) -> NDArray[np.uint8]:
    """A user's picture as (C, H, W), cut and scaled as those of a data set are; ImageDataError where it is none.

    Light stays light: a pen's stroke on white paper is not turned into MNIST's white on black.
    """
    try:
        return decode(path.read_bytes(), (channels, height, width))
    except ImageDataError as error:
        raise ImageDataError(f"{path} {error}") from error
