from __future__ import annotations

from pathlib import Path

import pytest
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
