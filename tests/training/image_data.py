"""Small sets of images that tests train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musevae.config import ImageConfig, ImageModelConfig, ImagesConfig, ImageTrainConfig
from tests.images.idx_files import write_idx

TINY = ImageConfig(
    preset="tiny-images",
    images=ImagesConfig(height=8, width=8),
    model=ImageModelConfig(z_size=3, sizes=(16,)),
    train=ImageTrainConfig(epochs=2, batch_size=8, learning_rate=1e-2, log_every=1, validate_every=4),
)


def bars(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (count, 8, 8) of a bright column, and its number as label."""
    labels = (np.arange(count) % 8).astype(np.uint8)
    pixels = np.full((count, 8, 8), 20, np.uint8)
    pixels[np.arange(count), :, labels] = 230
    return pixels, labels


def write_mnist(folder: Path, train: int = 40, test: int = 16, *, labels: bool = True) -> Path:
    """A folder as MNIST's, of bars: a tenth of the training images validates."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in {"train": train, "t10k": test}.items():
        pixels, numbers = bars(count)
        write_idx(folder / f"{name}-images-idx3-ubyte", pixels)
        if labels:
            write_idx(folder / f"{name}-labels-idx1-ubyte.gz", numbers)
    return folder
