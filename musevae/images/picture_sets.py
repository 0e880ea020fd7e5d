"""Folders of picture files, split by the pictures' names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musevae.images.albums import Album, folder_album
from musevae.images.decoding import decode_album
from musevae.images.image_set import SPLITS, ImageDataError, ImageSet

HELD_OUT = 0.1  # share of the pictures for validation, and again for test


class NamedPixels(NamedTuple):
    """The whole pictures of a split."""

    names: list[str]  # N
    pixels: NDArray[np.uint8]  # (N, C, H, W)


def read_picture_sets(folder: Path, shape: tuple[int, int, int]) -> dict[str, ImageSet] | None:
    """The pictures (C, H, W) in a folder and below it, by the split of each name; None where there are none."""
    album = folder_album(folder)
    if not album.stamps:
        return None
    splits = {name: split_of(name) for name in album.stamps}
    return {split: ImageSet(found.pixels) for split, found in decode_splits(folder, album, splits, shape).items()}


def split_of(name: str) -> str:
    """The split of a picture by its name alone: the same whatever pictures are beside it."""
    draw = int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") / 2**64
    return "validation" if draw < HELD_OUT else "test" if draw < 2 * HELD_OUT else "train"


def decode_splits(
    folder: Path, album: Album, splits: Mapping[str, str], shape: tuple[int, int, int]
) -> dict[str, NamedPixels]:
    """The pictures that `splits` gives a split, decoded by way of a folder's cache; ImageDataError if none is to train.

    They lie in the cache split by split, so that each split is one piece of it.
    """
    names = {split: [name for name, its in splits.items() if its == split] for split in SPLITS}
    decoded = decode_album(album, [*chain(*names.values())], shape, folder)
    whole = {split: [name for name in names[split] if name not in decoded.problems] for split in SPLITS}
    if not whole["train"]:
        raise ImageDataError(f"{folder} has {len(decoded.pixels)} pictures, but none to train on: add more")
    pieces = np.split(decoded.pixels, list(accumulate(map(len, whole.values()))))
    return {split: NamedPixels(whole[split], piece) for split, piece in zip(SPLITS, pieces, strict=False)}
