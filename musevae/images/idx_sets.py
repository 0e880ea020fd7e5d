"""Folders of idx files: MNIST and what is published in its form, or a single file such as that of the Frey faces."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musevae.images.idx import read_idx
from musevae.images.image_set import ImageDataError, ImageSet

NAME = re.compile(r"(?P<part>.+)-(?P<kind>images|labels)[-.]idx[13]-ubyte(?:\.gz)?")
RANKS = {"images": 3, "labels": 1}
TRAIN, TEST = "train", "t10k"  # parts of a published set
VALIDATION_IMAGES, VALIDATION_PART = 1000, 10  # the last so many training images, or a tenth where that is fewer
HELD_OUT_OF = (200, 1965)  # for validation and again for test, of a single file: the Frey faces' conventional numbers
SHUFFLE_SEED = 0

Files = dict[str, dict[str, Path]]  # part -> "images" or "labels" -> file


def read_idx_sets(folder: Path, shape: tuple[int, int, int]) -> dict[str, ImageSet] | None:
    """The images (C, H, W) of a folder's idx files by split; None where it has none, ImageDataError for bad ones.

    Of a set with a test part, validation is the end of the training part. A single file is shuffled and split by a
    fixed seed. Where it is a video, as the Frey faces are, that split leaks: of almost every frame held out, the
    neighbours are trained on. It is the conventional one, kept so that figures compare.
    """
    files = _idx_files(folder)
    if not files:
        return None
    if TRAIN in files and TEST in files:
        return _with_validation(_read_part(files[TRAIN], shape), _read_part(files[TEST], shape))
    if len(files) > 1 or TEST in files:
        found = ", ".join(path.name for file in files.values() for path in file.values())
        raise ImageDataError(
            f"{folder} has {found}; a set is {TRAIN}-images-idx3-ubyte and {TEST}-images-idx3-ubyte, or one file alone"
        )
    return _shuffled(_read_part(next(iter(files.values())), shape))


def _idx_files(folder: Path) -> Files:
    """The parts that have images; a file that is there both plain and gzipped is the plain one."""
    found = [(match, path) for path in sorted(folder.iterdir(), reverse=True) if (match := NAME.fullmatch(path.name))]
    files: Files = {}
    for match, path in found:
        files.setdefault(match["part"], {})[match["kind"]] = path
    return {part: files[part] for part in sorted(files) if "images" in files[part]}


def _read_part(files: dict[str, Path], shape: tuple[int, int, int]) -> ImageSet:
    """One part's images, and their labels where it has them."""
    images = _read_ranked(files, "images")
    height, width = images.shape[1:]
    if (1, height, width) != shape:
        C, H, W = shape
        raise ImageDataError(
            f"{files['images']} has grey images {height} high and {width} wide; wanted are {H} high and {W} wide, of "
            f"{C} channel{'s' * (C > 1)}: choose another preset or folder"
        )
    labels = _read_ranked(files, "labels").astype(np.int64) if "labels" in files else None
    if labels is not None and len(labels) != len(images):
        raise ImageDataError(f"{files['labels']} has {len(labels)} labels for {len(images)} images: fetch both again")
    return ImageSet(images[:, np.newaxis], labels)


def _read_ranked(files: dict[str, Path], kind: str) -> NDArray[np.uint8]:
    """The array of an idx file, which has as many axes as images or labels do."""
    array = read_idx(files[kind])
    if array.ndim != RANKS[kind]:
        raise ImageDataError(f"{files[kind]} has {array.ndim} dimensions; {kind} have {RANKS[kind]}")
    return array


def _with_validation(train: ImageSet, test: ImageSet) -> dict[str, ImageSet]:
    first = len(train) - min(VALIDATION_IMAGES, len(train) // VALIDATION_PART)
    return {"train": train.select(slice(first)), "validation": train.select(slice(first, None)), "test": test}


def _shuffled(images: ImageSet) -> dict[str, ImageSet]:
    """About 80 % to train on, 10 % to validate and 10 % to test: of 1,965 images 1,565, 200 and 200."""
    share, whole = HELD_OUT_OF
    held_out = len(images) * share // whole
    order = np.random.RandomState(SHUFFLE_SEED).permutation(len(images))  # unlike a Generator's, its stream is frozen
    ends = [len(images) - 2 * held_out, len(images) - held_out]
    train, validation, test = map(images.select, np.split(order, ends))
    return {"train": train, "validation": validation, "test": test}
