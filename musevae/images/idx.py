"""The idx files of MNIST and its kin: big-endian dimensions, then bytes (Y. LeCun, "The MNIST database")."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from musevae.images.image_set import ImageDataError

TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
UNSIGNED_BYTES = 0x08
GZIP_MAGIC = b"\x1f\x8b"
MAX_RATIO = 1032  # of deflate: 258 bytes in 2 bits
MAX_RANK = 32  # of numpy
BLOCK_BYTES = 1 << 24

Stream = BinaryIO | gzip.GzipFile


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an idx file, of whatever rank, plain or gzipped by its content whatever its name.

    Raises ImageDataError for a file that is damaged, of another format or of numbers that are not unsigned bytes.
    """
    with _damage_named(path), path.open("rb") as file:
        if file.read(len(GZIP_MAGIC)) != GZIP_MAGIC:
            file.seek(0)
            return _read(file, path.stat().st_size)
        file.seek(0)
        with gzip.open(file) as plain:
            return _read(plain, path.stat().st_size * MAX_RATIO)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ImageDataError(f"{path} is a damaged gzip file ({error}): fetch it again") from error
    except ImageDataError as error:
        raise ImageDataError(f"{path} {error}") from None


def _read(file: Stream, most: int) -> NDArray[np.uint8]:
    """The array of a stream that has `most` bytes at most."""
    shape = _read_shape(file)
    count, size = prod(shape), "x".join(map(str, shape))
    if not count:
        raise ImageDataError(f"is empty: its header says {size}")
    data = _read_bytes(file, min(count, most) + 1)
    if len(data) < count:
        raise ImageDataError(f"is cut off: its header says {size} bytes, it has {len(data):,}: fetch it again")
    if len(data) > count:
        raise ImageDataError(f"is damaged: bytes follow the {size} of its header: fetch it again")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_shape(file: Stream) -> tuple[int, ...]:
    """The dimensions that the header states."""
    magic = file.read(4)
    if not magic:
        raise ImageDataError("is empty, and no idx file")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 0 < magic[3] <= MAX_RANK:
        raise ImageDataError(f"is no idx file: it begins with the bytes {magic.hex(' ')}")
    if magic[2] != UNSIGNED_BYTES:
        raise ImageDataError(f"is an idx file of {TYPES[magic[2]]}; only those of uint8 are read")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ImageDataError("is cut off in its header: fetch it again")
    return tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))


def _read_bytes(file: Stream, most: int) -> bytearray:
    """Up to `most` bytes; memory is taken only for those that are there."""
    data = bytearray()
    while len(data) < most and (block := file.read(min(BLOCK_BYTES, most - len(data)))):
        data += block
    return data
