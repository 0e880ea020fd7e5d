"""Many pictures -> one array, decoded by threads and kept in a file beside them for the next time."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from musevae.files import replaced
from musevae.images.albums import Album, Read
from musevae.images.image_set import ImageDataError
from musevae.images.pictures import decode

VERSION = 1  # of the cache: a new one wherever `decode` gives other pixels
MAX_BLOCK = 512  # pictures that are decoded at once
BLOCK_BYTES = 1 << 25  # of their pixels, where they are large

Shape = tuple[int, int, int]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Decoded:
    """Some pictures' pixels, in the order that was asked for, and why the others have none."""

    pixels: NDArray[np.uint8]  # (K, C, H, W); where they are mapped into memory from the cache, changes stay there
    problems: Mapping[str, str]  # name -> why the picture is left out


def decode_album(album: Album, names: Sequence[str], shape: Shape, folder: Path) -> Decoded:
    """The pictures of these names, at least one, at the shape (C, H, W), in this order.

    They come from the cache in a folder, which is made where it is missing, damaged or of other pictures, unless the
    folder cannot be written to. A broken picture is left out with a warning; ImageDataError when all are broken.
    """
    cache = folder / f"{_prefix(shape)}{_digest(album, names)}.npy"
    decoded = _read_cache(cache, shape, len(names)) or _decode(album, names, shape, cache)
    for name, problem in decoded.problems.items():
        logger.warning("%s: %s %s; it is left out", album.place, name, problem)
    return decoded


def _prefix(shape: Shape) -> str:
    """How caches of this shape are named, before the digest of their pictures."""
    C, H, W = shape
    return f".musevae-{H}x{W}x{C}-"


def _digest(album: Album, names: Sequence[str]) -> str:
    pictures = [(name, album.stamps[name]) for name in names]
    return hashlib.sha256(json.dumps([VERSION, pictures]).encode()).hexdigest()[:16]


def _decode(album: Album, names: Sequence[str], shape: Shape, cache: Path) -> Decoded:
    """Decode into the cache, or else into memory."""
    logger.info("%s: decoding %d pictures", album.place, len(names))
    try:
        problems = _write_cache(album, names, shape, cache)
        return Decoded(open_memmap(cache, mode="c"), problems)
    except OSError as error:
        logger.info("%s: the decoded pictures are not kept for the next time (%s)", cache.parent, error)
    memory = BytesIO()
    problems, _ = _write_pixels(memory, album, names, shape)
    return Decoded(np.frombuffer(memory.getbuffer(), np.uint8).reshape(-1, *shape), problems)


def _write_cache(album: Album, names: Sequence[str], shape: Shape, cache: Path) -> dict[str, str]:
    """Write the pixels, then the record that makes them valid, and take away those of other pictures."""
    record = cache.with_suffix(".json")
    with replaced(cache) as file:
        start = _write_header(file, len(names), shape)
        problems, checksum = _write_pixels(file, album, names, shape)
        file.seek(0)
        assert _write_header(file, len(names) - len(problems), shape) == start  # numpy leaves room for the digits
    with replaced(record) as file:
        file.write(json.dumps({"crc32": checksum, "problems": problems}, indent=2).encode())
    for stale in cache.parent.glob(f"{_prefix(shape)}*"):
        if stale.suffix in (".npy", ".json") and stale.stem != cache.stem:
            with suppress(OSError):
                stale.unlink()
    return problems


def _write_header(file: BinaryIO, count: int, shape: Shape) -> int:
    """Write a .npy file's header; returns where the array begins."""
    write_array_header_1_0(file, {"shape": (count, *shape), "fortran_order": False, "descr": "|u1"})
    return file.tell()


def _write_pixels(file: BinaryIO, album: Album, names: Sequence[str], shape: Shape) -> tuple[dict[str, str], int]:
    """Write the pixels of all whole pictures; returns why others are none, by name, and the CRC-32 of what is written.

    ImageDataError when not one picture is whole.
    """
    problems, checksum = {}, 0
    for name, pixels in zip(names, _decoded(album, names, shape), strict=True):
        if isinstance(pixels, str):
            problems[name] = pixels
            continue
        checksum = _checksum(pixels, checksum)
        file.write(pixels.data)
    if len(problems) == len(names):
        first = " ".join(next(iter(problems.items())))
        raise ImageDataError(f"{album.place}: not one of {len(names)} pictures can be read: {first}")
    return problems, checksum


def _decoded(album: Album, names: Sequence[str], shape: Shape) -> Iterator[NDArray[np.uint8] | str]:
    """Each picture's pixels (C, H, W), or what is wrong with it; a block of pictures at a time is in memory."""
    block = min(MAX_BLOCK, max(1, BLOCK_BYTES // prod(shape)))
    with album.opened() as read, ThreadPoolExecutor(os.cpu_count()) as threads:
        for first in range(0, len(names), block):
            yield from threads.map(partial(_decode_one, read, shape), names[first : first + block])


def _decode_one(read: Read, shape: Shape, name: str) -> NDArray[np.uint8] | str:
    try:
        return decode(read(name), shape)
    except (ImageDataError, OSError) as error:
        return str(error)


def _read_cache(cache: Path, shape: Shape, count: int) -> Decoded | None:
    """What an earlier run decoded of so many pictures; None where that is missing or damaged."""
    try:
        record = json.loads(cache.with_suffix(".json").read_text(encoding="utf-8"))
        decoded = Decoded(open_memmap(cache, mode="c"), dict(record["problems"]))
        like = decoded.pixels.shape == (count - len(decoded.problems), *shape)
        whole = like and _checksum(decoded.pixels) == record["crc32"]
    except (OSError, ValueError, KeyError, TypeError, BufferError):
        return None
    return decoded if whole else None


def _checksum(pixels: NDArray[np.uint8], before: int = 0) -> int:
    """The CRC-32 of these pixels after those before; BufferError where they do not lie one after the other."""
    return zlib.crc32(pixels.data, before)
