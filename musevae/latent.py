"""Paths and directions in latent space, of music and images alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.linalg import vector_norm

STRAIGHT = 1e-6  # sine of the angle under which two vectors count as parallel


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """The point, or points (N, Z), at share t (N,) of the way from a (Z,) to b (Z,) along a great circle.

    Spherical interpolation (Shoemake 1985) as MusicVAE uses it: the angle is that of the directions, the weights are
    applied to the vectors as long as they are. Parallel ends are joined by a straight line, opposite ones by a half
    circle, always the same one.
    """
    start, end = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
    if start.shape != end.shape or start.dim() != 1:
        raise ValueError(f"slerp joins two vectors (Z,); these are {tuple(start.shape)} and {tuple(end.shape)}")
    share = torch.as_tensor(t, dtype=torch.float64, device=start.device)
    points = _great_circle(start, end, share.reshape(-1, 1))
    found: Tensor = points if share.dim() else points[0]
    return found.to(torch.as_tensor(a).dtype)


def lerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """The point, or points (N, Z), at share t (N,) of the straight line from a (Z,) to b (Z,)."""
    share = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    return a + share.unsqueeze(-1) * (b - a)


def attribute_vector(z: Tensor, has: Tensor) -> Tensor:
    """The direction (Z,) of an attribute that examples at z (N, Z) have or have not, by bool (N,).

    The mean of those that have it less the mean of the others (Roberts et al. 2018, section 4.3; Larsen et al. 2016).
    ValueError where all have it, or none.
    """
    if has.shape != z.shape[:1] or has.all() or not has.any():
        raise ValueError(f"of {len(z)} examples {int(has.sum())} have the attribute: some must have it, and some not")
    return z[has].mean(0) - z[~has].mean(0)


def traversal(z: Tensor, unit: int, values: Tensor) -> Tensor:
    """Points (N, Z) that are z (Z,) but for one unit, which takes the values (N,)."""
    points = z.repeat(len(values), 1)
    points[:, unit] = values
    return points


def most_active(mu: Tensor, n: int) -> list[int]:
    """The `n` units whose posterior means mu (N, Z) vary most, in falling order (Burda et al. 2016, section 5.2)."""
    return [int(unit) for unit in mu.var(0, unbiased=False).argsort(descending=True)[:n]]


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
