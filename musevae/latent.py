"""Paths in latent space, and points of it in .npz files."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vector_norm

from musevae.files import replaced
from musevae.music.note_sequence import DEFAULT_QPM

STRAIGHT = 1e-6  # sine of the angle under which two vectors count as parallel


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """The point, or points (N, Z), at share t (N,) of the way from a (Z,) to b (Z,) along a great circle.

    Spherical interpolation (Shoemake 1985), as MusicVAE uses it: the angle is that of the directions, the lengths change
    evenly. Parallel ends are joined by a straight line, opposite ones by a half circle in a fixed direction at right angles.
    """
    start, end = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
    if start.shape != end.shape or start.dim() != 1:
        raise ValueError(f"slerp joins two vectors (Z,); these are {tuple(start.shape)} and {tuple(end.shape)}")
    share = torch.as_tensor(t, dtype=torch.float64, device=start.device)
    points = _great_circle(start, end, share.reshape(-1, 1))
    found: Tensor = points if share.dim() else points[0]
    return found.to(torch.as_tensor(a).dtype)


def _great_circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points (N, Z) at t (N, 1)."""
    lengths = vector_norm(a) * vector_norm(b)
    cosine = (a @ b / lengths).clamp(-1, 1) if lengths > 0 else torch.ones((), dtype=a.dtype)
    angle = torch.arccos(cosine)
    if torch.sin(angle) > STRAIGHT:
        return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    if cosine > 0:
        return (1 - t) * a + t * b
    radius = (1 - t) * vector_norm(a) + t * vector_norm(b)
    half_circle: Tensor = radius * (
        torch.cos(math.pi * t) * a / vector_norm(a) + torch.sin(math.pi * t) * _perpendicular(a)
    )
    return half_circle


def _perpendicular(a: Tensor) -> Tensor:
    """A unit vector (Z,) at right angles to a (Z,), always the same one: from the axis that a leans to least."""
    if len(a) == 1:
        return torch.zeros_like(a)
    axis = torch.zeros_like(a)
    axis[a.abs().argmin()] = 1.0
    side: Tensor = axis - (axis @ a) / (a @ a) * a
    return F.normalize(side, dim=0)


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
    """Read a .npz file with finite `z` (N, z_size), N >= 1; PointsError where it has none. The other arrays may be missing.

    Nothing is unpickled.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("z", "names", "qpm", "model") if name in file}
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile):
        raise PointsError(f"{path} is no .npz file of plain arrays: make one with `musevae encode`") from None
    z = arrays.get("z")
    if not isinstance(z, np.ndarray):
        raise PointsError(f"{path} has no array `z`: make it with `musevae encode` or numpy.savez(file, z=z)")
    if z.ndim != 2 or z.shape[1] != z_size or not len(z) or z.dtype.kind not in "fiu" or not np.isfinite(z).all():
        raise PointsError(
            f"{path}: z is {z.dtype} {z.shape}; finite numbers (N, {z_size}) are needed: use the model that encoded them"
        )
    qpm = np.atleast_1d(arrays.get("qpm", ()))
    tempos = (
        [float(tempo) for tempo in qpm]
        if qpm.shape == z.shape[:1] and qpm.dtype.kind in "fiu"
        else [DEFAULT_QPM] * len(z)
    )
    names = [str(name) for name in np.atleast_1d(arrays.get("names", ()))]
    return Points(z.astype(np.float32), names, tempos, str(arrays.get("model", "")))
