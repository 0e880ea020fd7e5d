from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musevae.points import Points, PointsError, read_points, write_points

Z = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_points_are_read_as_written(tmp_path: Path) -> None:
    write_points(Points(Z, ["a", "ß"], [90, 120.5], "melody-2bar"), tmp_path / "z.npz")
    points = read_points(tmp_path / "z.npz", 3)
    assert np.array_equal(points.z, Z)
    assert (points.names, points.qpm, points.model) == (["a", "ß"], [90, 120.5], "melody-2bar")


def test_points_alone_are_enough(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", z=Z.astype(np.float64))
    points = read_points(tmp_path / "z.npz", 3)
    assert points.z.dtype == np.float32
    assert (points.names, points.qpm, points.model) == ([], [120, 120], "")


def npz(**members: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **members)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no .npz file"),
        (b"text", "no .npz file"),
        (npz(z=Z)[:100], "no .npz file"),
        (npz(z=np.array([{}])), "no .npz file"),
        (npz(points=Z), "no array `z`"),
        (npz(z=Z[0]), r"z is float32 \(3,\); finite numbers \(N, 3\)"),
        (npz(z=Z[:, :2]), r"float32 \(2, 2\)"),
        (npz(z=Z[:0]), r"float32 \(0, 3\)"),
        (npz(z=Z * np.nan), "finite numbers"),
        (npz(z=np.array([["a", "b", "c"]])), "finite numbers"),
    ],
)
def test_what_holds_no_points_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "z.npz").write_bytes(content)
    with pytest.raises(PointsError, match=f"z.npz.*{problem}"):
        read_points(tmp_path / "z.npz", 3)


def test_single_array_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", Z)
    with pytest.raises(PointsError, match=r"no \.npz file"):
        read_points(tmp_path / "z.npy", 3)
