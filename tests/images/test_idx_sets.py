from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from idx_files import numbered_images, write_idx

from musevae.images.idx_sets import read_idx_sets
from musevae.images.image_set import ImageDataError, ImageSet

SHAPE = (1, 2, 3)


def write_set(folder: Path, train: int = 40, test: int = 5, name: str = "{}-{}-{}-ubyte", labels: bool = True) -> Path:
    for part, count, first in (("train", train, 0), ("t10k", test, 100)):
        write_idx(folder / name.format(part, "images", "idx3"), numbered_images(count, 2, 3, first))
        if labels:
            write_idx(folder / name.format(part, "labels", "idx1"), np.arange(count, dtype=np.uint8) % 10)
    return folder


def read(folder: Path) -> dict[str, ImageSet]:
    sets = read_idx_sets(folder, SHAPE)
    assert sets is not None
    return sets


def numbers(images: ImageSet) -> list[int]:
    return [int(number) for number in images.pixels[:, 0, 0, 0]]


@pytest.mark.parametrize("name", ["{}-{}-{}-ubyte", "{}-{}-{}-ubyte.gz", "{}-{}.{}-ubyte", "{}-{}.{}-ubyte.gz"])
def test_published_names_are_known(tmp_path: Path, name: str) -> None:
    sets = read(write_set(tmp_path, name=name))
    assert {split: numbers(images) for split, images in sets.items()} == {
        "train": list(range(36)),
        "validation": [36, 37, 38, 39],
        "test": [100, 101, 102, 103, 104],
    }
    assert all(images.pixels.shape[1:] == SHAPE and images.pixels.dtype == np.uint8 for images in sets.values())


def test_labels_go_with_their_images(tmp_path: Path) -> None:
    for images in read(write_set(tmp_path)).values():
        assert images.labels is not None
        assert images.labels.dtype == np.int64
        assert [label % 10 for label in numbers(images)] == images.labels.tolist()


def test_labels_may_be_missing(tmp_path: Path) -> None:
    assert [images.labels for images in read(write_set(tmp_path, labels=False)).values()] == [None, None, None]


@pytest.mark.parametrize(("train", "validation"), [(9, 0), (10, 1), (9_999, 999), (10_000, 1_000), (12_000, 1_000)])
def test_validation_is_the_last_thousand_or_a_tenth(tmp_path: Path, train: int, validation: int) -> None:
    sets = read(write_set(tmp_path, train))
    assert [len(sets["train"]), len(sets["validation"])] == [train - validation, validation]


def test_plain_file_is_read_before_its_gzipped_copy(tmp_path: Path) -> None:
    write_set(tmp_path, name="{}-{}-{}-ubyte.gz")
    write_idx(tmp_path / "t10k-images-idx3-ubyte", numbered_images(5, 2, 3, 200))
    assert numbers(read(tmp_path)["test"]) == [200, 201, 202, 203, 204]


@pytest.mark.parametrize("name", ["freyfaces-images-idx3-ubyte.gz", "train-images.idx3-ubyte"])
def test_single_file_is_shuffled_and_split_the_same_each_time(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, numbered_images(60, 2, 3))
    splits = [numbers(images) for images in read(tmp_path).values()]
    assert [len(split) for split in splits] == [48, 6, 6]
    assert sorted(number for split in splits for number in split) == list(range(60))
    assert splits[0] != sorted(splits[0])
    assert splits == [numbers(images) for images in read(tmp_path).values()]


def test_split_of_a_single_file_is_frozen(tmp_path: Path) -> None:
    """Another split would make figures of older models wrong, whose training images it would test on."""
    write_idx(tmp_path / "x-images-idx3-ubyte", numbered_images(20, 2, 3))
    assert [numbers(images) for images in read(tmp_path).values()] == [
        [18, 1, 19, 8, 10, 17, 6, 13, 4, 2, 5, 14, 9, 7, 16, 11],
        [3, 0],
        [15, 12],
    ]


def test_frey_faces_are_split_by_the_conventional_numbers(tmp_path: Path) -> None:
    write_idx(tmp_path / "freyfaces-images-idx3-ubyte.gz", numbered_images(1965, 2, 3))
    assert [len(images) for images in read(tmp_path).values()] == [1565, 200, 200]


def test_folder_without_idx_files_is_not_one_of_ours(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(3, np.uint8))
    (tmp_path / "README.md").touch()
    assert read_idx_sets(tmp_path, SHAPE) is None


@pytest.mark.parametrize("shape", [(3, 2, 3), (1, 28, 28), (1, 3, 2)])
def test_images_of_another_size_are_refused(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    problem = f"train-images-idx3-ubyte has grey images 2 high and 3 wide; wanted are {shape[1]} high and {shape[2]} "
    with pytest.raises(ImageDataError, match=f"{problem}wide, of {shape[0]} channel.*: choose another"):
        read_idx_sets(write_set(tmp_path), shape)


def test_test_part_alone_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / "t10k-images-idx3-ubyte", numbered_images(5, 2, 3))
    with pytest.raises(ImageDataError, match="has t10k-images-idx3-ubyte; a set is train-images-idx3-ubyte and"):
        read_idx_sets(tmp_path, SHAPE)


def test_several_sets_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name in ("a-images-idx3-ubyte", "b-images-idx3-ubyte"):
        write_idx(tmp_path / name, numbered_images(5, 2, 3))
    with pytest.raises(ImageDataError, match="has a-images-idx3-ubyte, b-images-idx3-ubyte; a set is"):
        read_idx_sets(tmp_path, SHAPE)


def test_counts_of_images_and_labels_that_differ_are_refused(tmp_path: Path) -> None:
    write_idx(write_set(tmp_path) / "t10k-labels-idx1-ubyte", np.zeros(4, np.uint8))
    with pytest.raises(ImageDataError, match="t10k-labels-idx1-ubyte has 4 labels for 5 images"):
        read_idx_sets(tmp_path, SHAPE)


@pytest.mark.parametrize(("name", "rank"), [("train-images-idx3-ubyte", 3), ("train-labels-idx1-ubyte", 1)])
def test_arrays_of_another_rank_are_refused(tmp_path: Path, name: str, rank: int) -> None:
    write_idx(write_set(tmp_path) / name, np.zeros((40, 6), np.uint8))
    with pytest.raises(ImageDataError, match=f"{name} has 2 dimensions; .* have {rank}"):
        read_idx_sets(tmp_path, SHAPE)


def test_damaged_file_is_named(tmp_path: Path) -> None:
    (write_set(tmp_path) / "t10k-images-idx3-ubyte").write_bytes(gzip.compress(b"\0\0\x08\x03"))
    with pytest.raises(ImageDataError, match="t10k-images-idx3-ubyte is cut off in its header"):
        read_idx_sets(tmp_path, SHAPE)
