"""A folder of images, whatever they are kept in -> its training, validation and test images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from musevae.images.celeba import read_celeba
from musevae.images.idx_sets import read_idx_sets
from musevae.images.image_set import ImageDataError, ImageSet
from musevae.images.picture_sets import read_picture_sets
from musevae.images.pictures import FORMATS

READERS: dict[str, Callable[[Path, tuple[int, int, int]], dict[str, ImageSet] | None]] = {  # what is looked for -> how
    "idx files (train-images-idx3-ubyte[.gz] and the like of MNIST, or one *-images-idx3-ubyte[.gz])": read_idx_sets,
    "CelebA (list_attr_celeba.txt or .csv beside img_align_celeba/ or img_align_celeba.zip)": read_celeba,
    f"pictures ({' '.join(FORMATS)}), in folders or not": read_picture_sets,
}


def read_images(folder: Path, *, channels: int, height: int, width: int) -> dict[str, ImageSet]:
    """The images of a folder under exactly the keys train, validation and test.

    Raises ImageDataError where the folder holds nothing that is known, damaged files or images of another size.
    """
    if not folder.is_dir():
        raise ImageDataError(f"{folder} is no folder; images are read from one that has {_looked_for()}")
    for read in READERS.values():
        if sets := read(folder, (channels, height, width)):
            return sets
    raise ImageDataError(f"{folder} has no images that are known; looked for: {_looked_for()}")


def _looked_for() -> str:
    return "; ".join(READERS)
