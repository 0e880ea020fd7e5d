from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import (
    ATTRIBUTES,
    face,
    faces,
    file_name,
    flags,
    write_attributes,
    write_folder,
    write_partition,
    write_zip,
)

from musevae.images.celeba import read_attributes, read_celeba, read_partition
from musevae.images.image_set import ImageDataError, ImageSet
from musevae.images.picture_sets import split_of
from musevae.images.pictures import decode

SHAPE = (3, 16, 16)
PARTITION = [0, 0, 1, 2, 0, 2, 1, 0]  # of faces 1 to 8
SPLITS = {"train": [1, 2, 5, 8], "validation": [3, 7], "test": [4, 6]}


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """Eight faces with their lists, in the layout that is published."""
    write_folder(tmp_path / "img_align_celeba", faces(8))
    write_attributes(tmp_path, 8)
    write_partition(tmp_path, PARTITION)
    return tmp_path


def read(folder: Path) -> dict[str, ImageSet]:
    sets = read_celeba(folder, SHAPE)
    assert sets is not None
    return sets


def check(sets: dict[str, ImageSet], splits: dict[str, list[int]]) -> None:
    """Assert that each split has the faces of these numbers in this order, with their attributes."""
    assert list(sets) == list(splits)
    for split, numbers in splits.items():
        images = sets[split]
        assert images.attribute_names == ATTRIBUTES
        assert images.attributes is not None
        assert images.attributes.dtype == np.bool_
        assert images.attributes.tolist() == [[flag == 1 for flag in flags(number)] for number in numbers]
        assert np.array_equal(images.pixels, [decode(face(number), SHAPE) for number in numbers])


def test_faces_are_read_with_their_attributes_by_the_published_split(celeba: Path) -> None:
    check(read(celeba), SPLITS)


LAYOUTS: dict[str, Callable[[Path], object]] = {
    "nested": lambda folder: write_folder(folder / "img_align_celeba/img_align_celeba", faces(8)),
    "zip": lambda folder: write_zip(folder / "img_align_celeba.zip", faces(8)),
    "zip with a folder": lambda folder: write_zip(
        folder / "img_align_celeba.zip", {f"img_align_celeba/{name}": data for name, data in faces(8).items()}
    ),
    "zip in a folder": lambda folder: write_zip(
        write_folder(folder / "Img", {"readme": b""}) / "img_align_celeba.zip", faces(8)
    ),
    "folder in a folder": lambda folder: write_folder(folder / "Img/img_align_celeba", faces(8)),
}


@pytest.mark.parametrize("write", LAYOUTS.values(), ids=LAYOUTS)
def test_pictures_may_be_packed_or_nested(tmp_path: Path, write: Callable[[Path], object]) -> None:
    write(tmp_path)
    write_attributes(tmp_path, 8)
    write_partition(tmp_path, PARTITION)
    check(read(tmp_path), SPLITS)


def test_lists_may_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    """As in the archive that the authors give out: Anno/, Eval/, Img/."""
    for name in ("Anno", "Eval"):
        (tmp_path / name).mkdir()
    write_attributes(tmp_path / "Anno", 8)
    write_partition(tmp_path / "Eval", PARTITION)
    write_folder(tmp_path / "Img/img_align_celeba", faces(8))
    check(read(tmp_path), SPLITS)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_lists_may_be_csv_with_any_line_ends_and_a_byte_order_mark(
    tmp_path: Path, suffix: str, end: bytes, mark: bytes
) -> None:
    write_folder(tmp_path / "img_align_celeba", faces(8))
    for path in (write_attributes(tmp_path, 8, suffix), write_partition(tmp_path, PARTITION, suffix)):
        path.write_bytes(mark + path.read_bytes().replace(b"\n", end))
    check(read(tmp_path), SPLITS)


def test_flags_of_a_csv_may_be_zero_for_no(tmp_path: Path) -> None:
    path = write_attributes(tmp_path, 3, ".csv")
    path.write_text(path.read_text().replace("-1", "0"))
    assert read_attributes(path).values.tolist() == [[True, False, False], [False, True, False], [True, True, False]]


def test_without_a_partition_names_split_the_pictures(tmp_path: Path) -> None:
    write_folder(tmp_path / "img_align_celeba", faces(20))
    write_attributes(tmp_path, 20)
    numbers = {split: [n for n in range(1, 21) if split_of(file_name(n)) == split] for split in SPLITS}
    assert len(numbers["test"]) == 2
    check(read(tmp_path), numbers)


def test_broken_picture_is_left_out_with_its_attributes(celeba: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_folder(celeba / "img_align_celeba", faces(8, broken=[2, 7]))
    check(read(celeba), SPLITS | {"train": [1, 5, 8], "validation": [3]})
    assert [record.getMessage().partition(" is ")[0][-10:] for record in caplog.records] == ["000002.jpg", "000007.jpg"]


def test_pictures_that_are_not_listed_are_left_out_and_counted(celeba: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_folder(celeba / "img_align_celeba", faces(10))
    check(read(celeba), SPLITS)
    (record,) = caplog.records
    assert "img_align_celeba: 2 pictures are left out, not being listed in list_attr_celeba.txt and" in record.message


def test_picture_that_only_one_list_has_is_left_out(celeba: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_partition(celeba, PARTITION[:7])
    check(read(celeba), SPLITS | {"train": [1, 2, 5]})
    assert "1 pictures are left out" in caplog.text


def test_part_of_the_pictures_is_enough(celeba: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in (2, 3, 6):
        (celeba / "img_align_celeba" / file_name(number)).unlink()
    check(read(celeba), {"train": [1, 5, 8], "validation": [7], "test": [4]})
    (record,) = caplog.records
    assert "3 pictures are missing, being listed in list_attr_celeba.txt" in record.message


def test_folder_without_the_list_is_not_one_of_ours(celeba: Path) -> None:
    (celeba / "list_attr_celeba.txt").unlink()
    assert read_celeba(celeba, SHAPE) is None


def test_list_without_pictures_is_refused(tmp_path: Path) -> None:
    write_attributes(tmp_path, 3)
    with pytest.raises(ImageDataError, match=r"neither img_align_celeba/ nor img_align_celeba\.zip"):
        read_celeba(tmp_path, SHAPE)
    write_folder(tmp_path / "img_align_celeba", {"other.jpg": face(1)})
    with pytest.raises(
        ImageDataError, match=r"img_align_celeba has no picture that is listed in list_attr_celeba\.txt"
    ):
        read_celeba(tmp_path, SHAPE)


def test_truncated_zip_is_named(tmp_path: Path) -> None:
    write_attributes(tmp_path, 8)
    path = write_zip(tmp_path / "img_align_celeba.zip", faces(8))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ImageDataError, match=r"img_align_celeba\.zip is a damaged \.zip"):
        read_celeba(tmp_path, SHAPE)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "lists no attribute"),
        (b"8\n", "lists no attribute"),
        (b"8\nMale Smiling\n", "lists no attribute"),
        (b"8\nMale Smiling\n000001.jpg 1\n", "is damaged at line 3: it should have 2 times 1 or -1"),
        (b"8\nMale Smiling\n000001.jpg 1 1\n000002.jpg 1 -", "is damaged at line 4"),
        (b"8\nMale Smiling\n000001.jpg 1 1 1\n", "is damaged at line 3"),
        (b"8\nMale Smiling\n000001.jpg 1 \xff\n", r"is damaged \('utf-8' codec"),
    ],
)
def test_damaged_list_of_attributes_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_bytes(content)
    with pytest.raises(ImageDataError, match=f"list_attr_celeba.txt {problem}") as caught:
        read_attributes(path)
    assert "\n" not in str(caught.value)


def test_quotes_that_never_end_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.csv"
    path.write_bytes(b'image_id,Male\n000001.jpg,"' + b"1" * 200_000)
    with pytest.raises(ImageDataError, match=r"celeba\.csv is damaged \(field larger"):
        read_attributes(path)


@pytest.mark.parametrize("content", ["000001.jpg\n", "000001.jpg 3\n", "000001.jpg 0 1\n"])
def test_damaged_partition_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "list_eval_partition.txt"
    path.write_text(content)
    with pytest.raises(ImageDataError, match=r"list_eval_partition\.txt is damaged at line 1: a picture's split is 0,"):
        read_partition(path)
