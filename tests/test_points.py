from __future__ import annotations

import io
import struct
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


def compressed() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, z=Z)
    return file.getvalue()


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.integers(0, len(compressed()) - 1), st.integers(0, 255), min_size=1, max_size=4),
    st.sampled_from([compressed(), npz(z=Z)]),
)
@pytest.mark.filterwarnings("ignore")  # of numpy's parser, about odd headers
def test_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[int, int], content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(bytes(changes.get(index, byte) for index, byte in enumerate(content)))
    with suppress(PointsError):
        assert read_points(path, 3).z.shape[1] == 3


def rezipped(header: str) -> bytes:
    """A .npz file whose array has a header of our own."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("z.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'shape': (",
        "{",
        "(1,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1" + "0" * 30 + ",)}",
    ],
)
def test_damaged_header_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / "z.npz").write_bytes(rezipped(header))
    with pytest.raises(PointsError, match=r"no \.npz file"):
        read_points(tmp_path / "z.npz", 3)


def test_single_array_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", Z)
    with pytest.raises(PointsError, match=r"no \.npz file"):
        read_points(tmp_path / "z.npy", 3)
