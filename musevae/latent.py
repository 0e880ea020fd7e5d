"""Paths in latent space."""

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
