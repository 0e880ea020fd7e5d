"""A CelebA folder as published (Liu et al., "Deep learning face attributes in the wild", 2015): faces and attributes.

Its terms forbid passing it on, so it is read from the user's own copy.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from musevae.images.albums import Album, folder_album, zip_album
from musevae.images.image_set import ImageDataError, ImageSet
from musevae.images.picture_sets import decode_splits, split_of

ATTRIBUTE_FILES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
PARTITION_FILES = ("list_eval_partition.txt", "list_eval_partition.csv")
PICTURES, ZIPPED = "img_align_celeba", "img_align_celeba.zip"
PARTITIONS = {"0": "train", "1": "validation", "2": "test"}
FLAGS = {"1": 1, "-1": 0, "0": 0}

logger = logging.getLogger(__name__)

Row = tuple[int, list[str]]  # line number, words


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """What is known of each picture."""

    names: tuple[str, ...]  # A of them
    rows: dict[str, int]  # a picture's name -> its row
    values: NDArray[np.bool_]  # (P, A)


def read_celeba(folder: Path, shape: tuple[int, int, int]) -> dict[str, ImageSet] | None:
    """The faces (C, H, W) of a CelebA folder with their attributes, by split; None where it has no list of attributes.

    The lists and pictures may lie in the folder or in folders of it. Without a list of the partition, names split the
    pictures, which puts faces of one person into several splits. Pictures that are not listed are left out.
    """
    places = [folder, *sorted(place for place in folder.iterdir() if place.is_dir())]
    attributes, partition = _find(places, ATTRIBUTE_FILES), _find(places, PARTITION_FILES)
    if attributes is None:
        return None
    table, album = read_attributes(attributes), _album(folder, places)
    lists = " and ".join(path.name for path in (attributes, partition) if path)
    splits = read_partition(partition) if partition else {picture: split_of(picture) for picture in table.rows}
    listed = _listed(album, [picture for picture in table.rows if picture in splits], lists)
    decoded = decode_splits(folder, album, {name: splits[listed[name]] for name in listed}, shape)
    return {
        split: ImageSet(pixels, None, table.values[[table.rows[listed[name]] for name in names]], table.names)
        for split, (names, pixels) in decoded.items()
    }


def read_attributes(path: Path) -> AttributeTable:
    """The list of attributes, as published or as .csv; ImageDataError where it is damaged."""
    with _damage_named(path):
        rows = _rows(path)
        if not _is_csv(path):
            next(rows, None)  # the count of pictures, which a list cut down to some of them may still have
        _, header = next(rows, (0, []))
        names = tuple(header[1:] if _is_csv(path) else header)
        numbers, values = dict[str, int](), bytearray()
        for number, (line, (picture, *flags)) in enumerate(rows):
            values += _flags(line, flags, len(names))
            numbers[picture] = number
        if not values:
            raise ImageDataError("lists no attribute of any picture: fetch it again")
    return AttributeTable(names, numbers, np.frombuffer(values, np.bool_).reshape(-1, len(names)))


def read_partition(path: Path) -> dict[str, str]:
    """The split of each picture, as published or as .csv; ImageDataError where it is damaged."""
    with _damage_named(path):
        rows = _rows(path)
        if _is_csv(path):
            next(rows, None)
        return {picture: _partition(line, words) for line, (picture, *words) in rows}


def _flags(line: int, words: Sequence[str], count: int) -> bytes:
    """A picture's attributes, a byte of 0 or 1 each."""
    if len(words) == count:
        with suppress(KeyError):
            return bytes(map(FLAGS.__getitem__, words))
    raise ImageDataError(f"is damaged at line {line}: it should have {count} times 1 or -1: fetch it again")


def _partition(line: int, words: Sequence[str]) -> str:
    if len(words) != 1 or words[0] not in PARTITIONS:
        raise ImageDataError(f"is damaged at line {line}: a picture's split is 0, 1 or 2: fetch it again")
    return PARTITIONS[words[0]]


def _rows(path: Path) -> Iterator[Row]:
    """The words of each line that has some, by commas in a .csv and else by blanks."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file) if _is_csv(path) else map(str.split, file)
        yield from ((line, words) for line, words in enumerate(lines, 1) if words)


def _is_csv(path: Path) -> bool:
    return path.suffix == ".csv"


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImageDataError(f"{path} is damaged ({error}): fetch it again") from error
    except ImageDataError as error:
        raise ImageDataError(f"{path} {error}") from None


def _find(places: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first of these files or folders that one of the places has."""
    return next((place / name for place in places for name in names if (place / name).exists()), None)


def _album(folder: Path, places: Sequence[Path]) -> Album:
    """The pictures, unpacked or not."""
    found = _find(places, (PICTURES, ZIPPED))
    if found is None:
        raise ImageDataError(f"{folder} has a list of attributes but neither {PICTURES}/ nor {ZIPPED}: put one there")
    return folder_album(found) if found.is_dir() else zip_album(found)


def _listed(album: Album, pictures: Sequence[str], lists: str) -> dict[str, str]:
    """Name in the album -> in the lists, in whose order; a warning counts the pictures that only one of them has."""
    names = {PurePosixPath(name).name: name for name in album.stamps}  # wherever in the album it lies
    listed = {names[picture]: picture for picture in pictures if picture in names}
    if not listed:
        raise ImageDataError(f"{album.place} has no picture that is listed in {lists}: put both there as published")
    if unlisted := len(names) - len(listed):
        logger.warning("%s: %d pictures are left out, not being listed in %s", album.place, unlisted, lists)
    if missing := len(pictures) - len(listed):
        logger.warning("%s: %d pictures are missing, being listed in %s", album.place, missing, lists)
    return listed
