from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from idx_files import idx_bytes
from numpy.typing import NDArray

from musevae.images.idx import read_idx
from musevae.images.image_set import ImageDataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = idx_bytes(IMAGES)


@given(array=arrays(np.uint8, array_shapes(max_dims=4, max_side=6)), zipped=st.booleans())
def test_array_of_any_rank_is_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[np.uint8], zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "images"
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    assert np.array_equal(read_idx(path), array)


def test_header_is_as_published(tmp_path: Path) -> None:
    """The first bytes of t10k-labels-idx1-ubyte: magic number 2049, 10000 labels; here 3."""
    path = tmp_path / "labels"
    path.write_bytes(bytes.fromhex("00000801 00000003 07 02 01"))
    assert read_idx(path).tolist() == [7, 2, 1]


@pytest.mark.parametrize("name", ["images.gz", "images"])
@pytest.mark.parametrize("content", [WHOLE, gzip.compress(WHOLE)])
def test_content_says_what_is_gzipped_not_the_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert np.array_equal(read_idx(tmp_path / name), IMAGES)


TERABYTES = bytes.fromhex("00000803 ffffffff 0000ffff 0000ffff")
DAMAGES = {
    b"": "is empty, and no idx file",
    b"\0\0\x08": "is no idx file: it begins with the bytes 00 00 08",
    b"\x89PNG\r\n\x1a\n": "is no idx file: it begins with the bytes 89 50 4e 47",
    b"\0\0\x07" + WHOLE[3:]: "is no idx file",
    b"\0\0\x08\0": "is no idx file",
    b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\0": "is no idx file",
    idx_bytes(IMAGES.astype(">f4"), 0x0D): "is an idx file of float32; only those of uint8",
    WHOLE[:9]: "is cut off in its header",
    WHOLE[:-1]: "is cut off: its header says 2x3x4 bytes, it has 23",
    WHOLE[:16]: "is cut off: its header says 2x3x4 bytes, it has 0",
    WHOLE + b"\0": "is damaged: bytes follow the 2x3x4",
    idx_bytes(IMAGES[:0]): "is empty: its header says 0x3x4",
    TERABYTES + b"some": "is cut off: its header says 4294967295x65535x65535 bytes, it has 4",
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("content", "problem"), DAMAGES.items(), ids=range(len(DAMAGES)))
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, content: bytes, problem: str, zipped: bool) -> None:
    path = tmp_path / "train-images"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ImageDataError, match=f"^{path} {problem}") as caught:
        read_idx(path)
    assert "\n" not in str(caught.value)


ZIPPED = gzip.compress(idx_bytes(np.arange(900, dtype=np.uint16).view(np.uint8)), mtime=0)


@pytest.mark.parametrize(
    "content",
    [ZIPPED[:2], ZIPPED[:9], ZIPPED[:-9], ZIPPED[:12] + b"\xff" + ZIPPED[13:], b"\x1f\x8b\x09" + ZIPPED[3:]],
    ids=["no header", "half a header", "half of the content", "a byte is wrong", "another method"],
)
def test_damaged_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(ImageDataError, match=r"images\.gz is a damaged gzip file"):
        read_idx(path)


def test_wrong_checksum_of_gzip_is_refused(tmp_path: Path) -> None:
    """The checksum is looked at only where the file is read to its end."""
    path, zipped = tmp_path / "images.gz", gzip.compress(WHOLE)
    path.write_bytes(zipped[:-8] + b"\0\0\0\0" + zipped[-4:])
    with pytest.raises(ImageDataError, match="damaged gzip file"):
        read_idx(path)


def test_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nowhere")
