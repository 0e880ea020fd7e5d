"""Idx files that tests write."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def idx_bytes(array: NDArray[Any], code: int = 0x08) -> bytes:
    """An array as an idx file holds it: two zeros, the type, the rank, big-endian dimensions, bytes."""
    return bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write an idx file, gzipped where its name says so."""
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)


def numbered_images(count: int, height: int, width: int, first: int = 0) -> NDArray[np.uint8]:
    """Images (count, height, width) whose pixels all have the image's number, modulo 256."""
    numbers = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(numbers[:, np.newaxis, np.newaxis], (count, height, width)).copy()
