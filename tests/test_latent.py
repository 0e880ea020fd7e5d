from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vector_norm

from musevae.latent import slerp

EVENLY = torch.linspace(0, 1, 9, dtype=torch.float64)
vectors = arrays(np.float64, 5, elements=st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 3)))


def closed_form(a: NDArray[Any], b: NDArray[Any], t: float) -> NDArray[Any]:
    """Magenta's slerp (MUSICVAE.md 1.9): the angle of the directions, the magnitudes as they are."""
    omega = math.acos(np.dot(a / np.linalg.norm(a), b / np.linalg.norm(b)))
    point: NDArray[Any] = np.sin((1 - t) * omega) / np.sin(omega) * a + np.sin(t * omega) / np.sin(omega) * b
    return point


@given(vectors, vectors, st.floats(0, 1))
def test_slerp_is_the_closed_form_where_that_is_defined(a: NDArray[Any], b: NDArray[Any], t: float) -> None:
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    if lengths < 1e-3 or abs(a @ b) / lengths > 1 - 1e-6:
        return
    np.testing.assert_allclose(slerp(torch.tensor(a), torch.tensor(b), t), closed_form(a, b, t), atol=1e-6)


@given(vectors, vectors)
def test_slerp_is_finite_and_ends_at_its_ends(a: NDArray[Any], b: NDArray[Any]) -> None:
    points = slerp(torch.tensor(a), torch.tensor(b), EVENLY)
    assert points.shape == (9, 5)
    assert points.isfinite().all()
    np.testing.assert_allclose(points[[0, -1]], np.stack([a, b]), atol=1e-9)


@given(vectors)
def test_slerp_between_equal_ends_stays_there(a: NDArray[Any]) -> None:
    np.testing.assert_allclose(slerp(torch.tensor(a), torch.tensor(a), EVENLY), np.tile(a, (9, 1)), atol=1e-12)


@given(vectors, st.floats(0.5, 2))
def test_slerp_between_opposite_ends_is_a_half_circle(a: NDArray[Any], ratio: float) -> None:
    if np.linalg.norm(a) < 1e-2:
        return
    points = slerp(torch.tensor(a), torch.tensor(-ratio * a), EVENLY)
    lengths = np.linalg.norm(a) * (1 + (ratio - 1) * EVENLY.numpy())
    cosines = points @ torch.tensor(a) / (vector_norm(points, dim=1) * np.linalg.norm(a))
    np.testing.assert_allclose(vector_norm(points, dim=1), lengths, rtol=1e-9)
    np.testing.assert_allclose(cosines, np.cos(np.pi * EVENLY.numpy()), atol=1e-9)


def test_slerp_keeps_the_length_of_ends_of_equal_length() -> None:
    a, b = torch.eye(6, dtype=torch.float64)[:2] * 3
    points = slerp(a, b, EVENLY)
    torch.testing.assert_close(vector_norm(points, dim=1), torch.full((9,), 3.0, dtype=torch.float64))
    torch.testing.assert_close(points[4, :2], torch.full((2,), 3 / math.sqrt(2), dtype=torch.float64))


@pytest.mark.parametrize(
    ("a", "b"),
    [([0.0, 0.0], [0.0, 0.0]), ([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0]), ([1.0], [-1.0]), ([1e-30], [1e-30])],
)
def test_slerp_is_finite_where_there_is_no_angle(a: list[float], b: list[float]) -> None:
    points = slerp(torch.tensor(a), torch.tensor(b), EVENLY)
    assert points.isfinite().all()
    torch.testing.assert_close(points[[0, -1]], torch.tensor([a, b]))


def test_slerp_gives_back_the_dtype_and_one_point_for_one_share() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert slerp(a, b, 0.5).shape == (2,)
    assert slerp(a, b, EVENLY).dtype == torch.float32


@pytest.mark.parametrize("b", [torch.zeros(3), torch.zeros(1, 2), torch.zeros(())])
def test_slerp_of_other_shapes_is_refused(b: Tensor) -> None:
    with pytest.raises(ValueError, match="slerp joins two vectors"):
        slerp(torch.zeros(2), b, 0.5)
