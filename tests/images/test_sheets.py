from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import encoded, face
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from musevae.images.image_set import ImageDataError
from musevae.images.sheets import read_picture, sheet, write_png


def numbered(count: int, channels: int = 1, height: int = 2, width: int = 3) -> NDArray[np.uint8]:
    return np.stack([np.full((channels, height, width), number, np.uint8) for number in range(count)])


def test_images_stand_row_by_row_with_white_between() -> None:
    drawn = sheet(numbered(3), 2, gap=1)
    assert drawn[..., 0].tolist() == [
        [0, 0, 0, 255, 1, 1, 1],
        [0, 0, 0, 255, 1, 1, 1],
        [255, 255, 255, 255, 255, 255, 255],
        [2, 2, 2, 255, 255, 255, 255],
        [2, 2, 2, 255, 255, 255, 255],
    ]


@given(count=st.integers(1, 12), columns=st.integers(1, 5), gap=st.integers(0, 3), channels=st.sampled_from([1, 3]))
def test_every_image_is_in_its_cell(count: int, columns: int, gap: int, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (count, channels, 4, 5), dtype=np.uint8)
    drawn = sheet(pixels, columns, gap)
    across, down = min(columns, count), -(-count // min(columns, count))
    assert drawn.shape == (down * (4 + gap) - gap, across * (5 + gap) - gap, channels)
    for number, image in enumerate(pixels):
        row, column = divmod(number, across)
        top, left = row * (4 + gap), column * (5 + gap)
        assert np.array_equal(drawn[top : top + 4, left : left + 5], image.transpose(1, 2, 0))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_read_as_written(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 7, 9), dtype=np.uint8)
    write_png(sheet(pixels[np.newaxis], 1), tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png", channels, 7, 9), pixels)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == {1: "L", 3: "RGB"}[channels]


def test_failed_write_leaves_the_old_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(TypeError):
        write_png(np.zeros((2, 2, 7), np.uint8), tmp_path / "a.png")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_users_picture_is_cut_and_scaled_as_those_of_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "face.jpg").write_bytes(face(20))
    pixels = read_picture(tmp_path / "face.jpg", 3, 32, 32)
    assert pixels.shape == (3, 32, 32)
    assert abs(pixels[0, 1:8].astype(int) - 200)[:, 1:-1].max() < 10


@pytest.mark.parametrize("content", [b"", b"text", encoded(Image.new("L", (9, 9)), "PNG")[:40]])
def test_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageDataError, match=r"a\.png is (no|a damaged) picture"):
        read_picture(tmp_path / "a.png", 1, 8, 8)


def test_missing_picture_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "nowhere.png", 1, 8, 8)
