"""Points of a latent space in .npz files."""

from __future__ import annotations

import io
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musevae.files import replaced
from musevae.music.note_sequence import DEFAULT_QPM

DAMAGE = (
    *(ValueError, EOFError, AttributeError, TypeError, KeyError, IndexError, OverflowError, MemoryError, SyntaxError),
    *(RuntimeError, OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
)  # what zipfile, the decompressors and numpy's parser of headers raise for a damaged file


class PointsError(ValueError):
    """A file that does not hold points of a latent space; the message begins with its name."""


@dataclass(frozen=True)
class Points:
    """Points of a model's latent space, as `musevae encode` writes them."""

    z: NDArray[np.float32]  # (N, Z)
    names: Sequence[str]  # of the tunes, N where they are known
    qpm: Sequence[float]  # their tempos, N
    model: str  # name of the model that encoded them, "" where it is not known


def write_points(points: Points, path: Path) -> None:
    """Write a .npz file with the arrays z (N, Z) float32, names, qpm and model."""
    z, names = np.asarray(points.z, np.float32), np.array(points.names, np.str_)
    with replaced(path) as file:
        np.savez(file, z=z, names=names, qpm=np.array(points.qpm, np.float64), model=np.array(points.model, np.str_))


def read_points(path: Path, z_size: int) -> Points:
    """Read a .npz file with finite `z` (N, z_size), N >= 1; PointsError where it has none.

    The other arrays may be missing. Nothing is unpickled.
    """
    data = io.BytesIO(path.read_bytes())
    try:
        with np.load(data, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("z", "names", "qpm", "model") if name in file}
    except DAMAGE:
        raise PointsError(f"{path} is no .npz file of plain arrays: make one with `musevae encode`") from None
    z = arrays.get("z")
    if not isinstance(z, np.ndarray):
        raise PointsError(f"{path} has no array `z`: make it with `musevae encode` or numpy.savez(file, z=z)")
    if z.ndim != 2 or z.shape[1] != z_size or not len(z) or z.dtype.kind not in "fiu" or not np.isfinite(z).all():
        raise PointsError(
            f"{path}: z is {z.dtype} {z.shape}; finite numbers (N, {z_size}) are needed: use the model that made them"
        )
    qpm = np.atleast_1d(arrays.get("qpm", ()))
    tempos = (
        [float(tempo) for tempo in qpm]
        if qpm.shape == z.shape[:1] and qpm.dtype.kind in "fiu"
        else [DEFAULT_QPM] * len(z)
    )
    names = [str(name) for name in np.atleast_1d(arrays.get("names", ()))]
    return Points(z.astype(np.float32), names, tempos, str(arrays.get("model", "")))
