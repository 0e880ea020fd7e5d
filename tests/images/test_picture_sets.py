from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import encoded, plain, write_folder
from PIL import Image

from musevae.images.image_set import ImageDataError
from musevae.images.picture_sets import read_picture_sets, split_of

SHAPE = (3, 4, 4)


def test_splits_are_as_large_as_they_should_be() -> None:
    shares = Counter(split_of(f"{number}.jpg") for number in range(10_000))
    assert shares["train"] == pytest.approx(8_000, abs=150)
    assert shares["validation"] == pytest.approx(1_000, abs=100)
    assert shares["test"] == pytest.approx(1_000, abs=100)


def test_split_of_a_name_is_frozen() -> None:
    """Another split would make figures of older models wrong, whose training images it would test on."""
    assert [number for number in range(60) if split_of(f"{number:06d}.jpg") == "validation"] == [5, 18, 23, 34, 52, 59]
    assert [number for number in range(60) if split_of(f"{number:06d}.jpg") == "test"] == [
        11,
        15,
        36,
        39,
        44,
        45,
        54,
        55,
    ]


def test_pictures_of_a_folder_are_split_by_name(tmp_path: Path) -> None:
    pictures = {f"{'ab'[number % 2]}/{number}.jpg": plain((number * 5, 0, 0), (8, 8)) for number in range(50)}
    sets = read_picture_sets(write_folder(tmp_path, pictures), SHAPE)
    assert sets is not None
    assert list(sets) == ["train", "validation", "test"]
    for split, images in sets.items():
        reds = [int(name[2:-4]) * 5 for name in sorted(pictures) if split_of(name) == split]
        assert len(images) == len(reds) > 0
        assert np.allclose(images.pixels.mean((2, 3))[:, 0], reds, atol=3)
        assert images.labels is None
        assert images.attributes is None


def test_formats_and_sizes_may_be_mixed(tmp_path: Path) -> None:
    forms = {"a.png": "PNG", "b.JPG": "JPEG", "c.jpeg": "JPEG", "d.bmp": "BMP", "e.webp": "WEBP"}
    sizes = {name: (5 + number, 30 - number) for number, name in enumerate(forms)}
    pictures = {name: encoded(Image.new("L", sizes[name], 90), form) for name, form in forms.items()}
    sets = read_picture_sets(write_folder(tmp_path, pictures), (1, 6, 6))
    assert sets is not None
    assert sum(map(len, sets.values())) == 5
    assert all(abs(images.pixels.astype(int) - 90).max(initial=0) < 3 for images in sets.values())


def test_folder_without_pictures_is_not_one_of_ours(tmp_path: Path) -> None:
    write_folder(tmp_path, {"readme.md": b"", "a/b.txt": b""})
    assert read_picture_sets(tmp_path, SHAPE) is None


def test_pictures_of_which_none_is_to_train_on_are_too_few(tmp_path: Path) -> None:
    held_out = next(f"{number}.jpg" for number in range(100) if split_of(f"{number}.jpg") == "test")
    with pytest.raises(ImageDataError, match="has 1 pictures, but none to train on: add more"):
        read_picture_sets(write_folder(tmp_path, {held_out: plain((0, 0, 0))}), SHAPE)
