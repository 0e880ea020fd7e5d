"""Images of one size as one array, with what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")


class ImageDataError(ValueError):
    """A file or folder of images that cannot be read; the message begins with its name."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """N images of C channels, H high and W wide; the pixels may be mapped into memory from a file."""

    pixels: NDArray[np.uint8]  # (N, C, H, W)
    labels: NDArray[np.int64] | None = None  # (N,)
    attributes: NDArray[np.bool_] | None = None  # (N, A)
    attribute_names: tuple[str, ...] = ()  # A of them

    def __post_init__(self) -> None:
        N, _, _, _ = self.pixels.shape
        assert self.labels is None or self.labels.shape == (N,)
        assert self.attributes is None or self.attributes.shape == (N, len(self.attribute_names))

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        N, C, H, W = self.pixels.shape
        return f"ImageSet({N} images of {C}x{H}x{W})"

    def select(self, indices: NDArray[np.intp] | slice) -> ImageSet:
        """The images at these places, in this order; a slice copies nothing."""
        return ImageSet(
            self.pixels[indices],
            None if self.labels is None else self.labels[indices],
            None if self.attributes is None else self.attributes[indices],
            self.attribute_names,
        )
