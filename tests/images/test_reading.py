from __future__ import annotations

import sys
from pathlib import Path

import pytest
from drawn_pictures import ATTRIBUTES, faces, write_attributes, write_folder
from idx_files import numbered_images, write_idx

from musevae.images.image_set import ImageDataError
from musevae.images.reading import read_images


def test_idx_files_are_read(tmp_path: Path) -> None:
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", numbered_images(20, 4, 5))
    sets = read_images(tmp_path, channels=1, height=4, width=5)
    assert {split: len(images) for split, images in sets.items()} == {"train": 18, "validation": 2, "test": 20}


def test_folder_without_images_is_refused_and_told_what_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageDataError, match=r"has no images that are known; looked for: .*idx3-ubyte"):
        read_images(tmp_path, channels=1, height=28, width=28)


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageDataError, match=f"{name} is no folder"):
        read_images(tmp_path / name, channels=1, height=28, width=28)


def test_celeba_is_read_with_attributes_and_not_as_a_folder_of_pictures(tmp_path: Path) -> None:
    write_folder(tmp_path / "img_align_celeba", faces(9))
    write_attributes(tmp_path, 9)
    sets = read_images(tmp_path, channels=3, height=8, width=8)
    assert sum(map(len, sets.values())) == 9
    assert sets["train"].attribute_names == ATTRIBUTES


def test_pictures_are_read(tmp_path: Path) -> None:
    sets = read_images(write_folder(tmp_path, faces(9)), channels=1, height=8, width=6)
    assert {images.pixels.shape[1:] for images in sets.values()} == {(1, 8, 6)}


def test_idx_files_come_before_pictures_beside_them(tmp_path: Path) -> None:
    write_idx(tmp_path / "x-images-idx3-ubyte", numbered_images(20, 8, 6))
    sets = read_images(write_folder(tmp_path, faces(1)), channels=1, height=8, width=6)
    assert sum(map(len, sets.values())) == 20


def test_idx_files_need_no_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    write_idx(tmp_path / "x-images-idx3-ubyte", numbered_images(20, 8, 6))
    assert len(read_images(tmp_path, channels=1, height=8, width=6)["train"]) == 16


def test_pictures_without_pillow_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, faces(3))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match=r"PIL is not installed: pip install 'musevae\[images\]'"):
        read_images(tmp_path, channels=1, height=8, width=6)
