from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import face, faces, file_name, write_folder, write_zip
from numpy.typing import NDArray

from musevae.images import decoding
from musevae.images.albums import Album, folder_album, zip_album
from musevae.images.decoding import Decoded, decode_album
from musevae.images.image_set import ImageDataError
from musevae.images.pictures import decode

SHAPE = (3, 16, 16)
Read = Callable[..., Decoded]


@pytest.fixture
def album(tmp_path: Path) -> Album:
    """Six faces, of which the third is broken."""
    return folder_album(write_folder(tmp_path / "faces", faces(6, broken=[3])))


@pytest.fixture
def read(album: Album, tmp_path: Path) -> Read:
    """Decode all pictures of the folder as it now is, by way of a cache beside it."""

    def decode_all(shape: tuple[int, int, int] = SHAPE) -> Decoded:
        now = folder_album(album.place)
        return decode_album(now, list(now.stamps), shape, tmp_path)

    return decode_all


def caches(folder: Path) -> list[Path]:
    return sorted(folder.glob(".musevae-*"))


def expected(*numbers: int) -> NDArray[np.uint8]:
    return np.stack([decode(face(number), SHAPE) for number in numbers])


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, decoding anything is an error."""

    def forbidden(*_: object) -> None:
        raise AssertionError("decoded again")

    return lambda: monkeypatch.setattr(decoding, "decode", forbidden)


def test_pictures_are_decoded_in_the_order_that_is_asked_for(album: Album, tmp_path: Path) -> None:
    decoded = decode_album(album, [file_name(5), file_name(1)], SHAPE, tmp_path)
    assert np.array_equal(decoded.pixels, expected(5, 1))
    assert decoded.problems == {}


def test_broken_picture_costs_one_line_that_names_it(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    decoded = read()
    assert np.array_equal(decoded.pixels, expected(1, 2, 4, 5, 6))
    assert list(decoded.problems) == ["000003.jpg"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "faces: 000003.jpg is a damaged picture (" in record.getMessage()
    assert record.getMessage().endswith("; it is left out")


@pytest.mark.parametrize("again", [False, True])
def test_all_broken_is_an_error_and_leaves_no_cache(tmp_path: Path, again: bool) -> None:
    folder = write_folder(tmp_path / "faces", faces(2, broken=[1, 2]))
    for _ in range(1 + again):
        with pytest.raises(ImageDataError, match=r"faces: not one of 2 pictures can be read: 000001\.jpg is a damaged"):
            decode_album(folder_album(folder), [file_name(1), file_name(2)], SHAPE, tmp_path)
    assert caches(tmp_path) == []


def test_pictures_of_a_zip_are_the_same(read: Read, tmp_path: Path) -> None:
    zipped = zip_album(write_zip(tmp_path / "faces.zip", faces(6, broken=[3])))
    assert np.array_equal(decode_album(zipped, list(zipped.stamps), SHAPE, tmp_path).pixels, read().pixels)


def test_small_blocks_give_the_same(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read().pixels
    for path in caches(tmp_path):
        path.unlink()
    monkeypatch.setattr(decoding, "BLOCK_BYTES", 2 * 3 * 16 * 16)
    assert np.array_equal(read().pixels, whole)


def test_second_time_nothing_is_decoded(
    read: Read, no_decoding: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    first = read()
    no_decoding()
    caplog.clear()
    second = read()
    assert np.array_equal(first.pixels, second.pixels)
    assert first.problems == second.problems
    assert len(caplog.records) == 1


def test_cache_is_an_array_mapped_into_memory(read: Read, tmp_path: Path) -> None:
    decoded = read()
    assert isinstance(decoded.pixels, np.memmap)
    assert decoded.pixels.flags.writeable  # or torch warns of it
    record, array = caches(tmp_path)
    assert array.name.startswith(".musevae-16x16x3-")
    assert (record.suffix, array.suffix) == (".json", ".npy")
    assert np.load(array).shape == (5, *SHAPE)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "no record": lambda record, array: record.unlink(),
    "no array": lambda record, array: array.unlink(),
    "record cut off": lambda record, array: record.write_text("{"),
    "record of another form": lambda record, array: record.write_text("[]"),
    "record without problems": lambda record, array: record.write_text(
        json.dumps(json.loads(record.read_text()) | {"problems": {}})
    ),
    "array cut off": lambda record, array: array.write_bytes(array.read_bytes()[:-1]),
    "array empty": lambda record, array: array.write_bytes(b""),
    "a byte changed": lambda record, array: array.write_bytes(array.read_bytes()[:-1] + b"\xfe"),
    "another array": lambda record, array: np.save(array, np.zeros((3, 2))),
    "array in another order": lambda record, array: np.save(array, np.asfortranarray(np.load(array))),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_cache_is_made_again(
    read: Read, tmp_path: Path, no_decoding: Callable[[], None], damage: Callable[[Path, Path], object]
) -> None:
    whole = np.array(read().pixels)
    damage(*caches(tmp_path))
    assert np.array_equal(read().pixels, whole)
    no_decoding()
    assert np.array_equal(read().pixels, whole)


def test_changed_pictures_are_decoded_again_and_the_stale_cache_goes(read: Read, album: Album, tmp_path: Path) -> None:
    read()
    write_folder(album.place, {file_name(3): face(3)})
    assert np.array_equal(read().pixels, expected(1, 2, 3, 4, 5, 6))
    assert len(caches(tmp_path)) == 2


def test_each_size_has_a_cache_of_its_own(read: Read, tmp_path: Path) -> None:
    assert read().pixels.shape[1:] == SHAPE
    assert read((1, 8, 12)).pixels.shape[1:] == (1, 8, 12)
    assert len(caches(tmp_path)) == 4


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_without_a_place_for_the_cache_there_is_none(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.INFO):
        decoded = read()
    assert np.array_equal(decoded.pixels, expected(1, 2, 4, 5, 6))
    assert caches(tmp_path) == []
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "WARNING"]
    assert os.strerror(code) in caplog.records[1].getMessage()


def test_interrupted_decoding_leaves_no_cache(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read()
    assert caches(tmp_path) == []
