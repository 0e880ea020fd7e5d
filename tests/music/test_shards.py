from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from musevae.music import shards
from musevae.music.shards import DatasetError, read_manifest, read_split, write_dataset

TRAIN = np.arange(40, dtype=np.uint8).reshape(10, 4)
SPLITS = {"train": TRAIN, "validation": TRAIN[:3], "test": TRAIN[:0]}
ABOUT = {"window_shape": [4], "dtype": "uint8", "representation": {"name": "melody"}}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "dataset", SPLITS, ABOUT)
    return tmp_path / "dataset"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=30)
@given(
    array=st.one_of(
        arrays(np.uint8, st.tuples(st.integers(0, 9), st.just(4))),
        arrays(np.uint16, st.tuples(st.integers(0, 9), st.just(5), st.just(3))),
        arrays(np.float32, st.tuples(st.integers(0, 9), st.just(2), st.just(27)), elements=st.floats(-1, 1, width=32)),
    )
)
def test_windows_are_read_as_written(tmp_path_factory: pytest.TempPathFactory, array: NDArray[Any]) -> None:
    folder = tmp_path_factory.mktemp("dataset")
    about = {**ABOUT, "window_shape": array.shape[1:], "dtype": array.dtype.name}
    write_dataset(folder, dict.fromkeys(SPLITS, array), about)
    read = read_split(folder, "train")
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


def test_manifest_counts_the_windows_and_hashes_the_shards(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    assert manifest["windows"] == {"train": 10, "validation": 3, "test": 0}
    hashed = {name: digest for names in manifest["shards"].values() for name, digest in names.items()}
    assert hashed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in dataset.glob("*.npy")}
    assert manifest["window_shape"] == [4]


def test_large_split_lies_in_several_shards_in_order(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_ROWS", 4)
    write_dataset(dataset, SPLITS, ABOUT)
    assert [len(np.load(path)) for path in sorted(dataset.glob("train-*.npy"))] == [4, 4, 2]
    assert np.array_equal(read_split(dataset, "train"), TRAIN)


def test_shards_are_c_order_whatever_they_were(dataset: Path) -> None:
    write_dataset(dataset, {"train": np.asfortranarray(TRAIN)}, ABOUT)
    assert np.load(dataset / "train-00000.npy").flags.c_contiguous


def test_smaller_dataset_leaves_nothing_of_the_larger_one_before_it(dataset: Path) -> None:
    write_dataset(dataset, SPLITS | {"train": TRAIN[:2], "validation": TRAIN[:0]}, ABOUT)
    assert sorted(contents(dataset)) == ["manifest.json", "train-00000.npy"]
    assert read_split(dataset, "validation").shape == (0, 4)


def test_equal_windows_give_equal_bytes(dataset: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "again", SPLITS, ABOUT)
    assert contents(tmp_path / "again") == contents(dataset)


class Fails:
    """A function that fails from the call of this number on."""

    def __init__(self, function: Callable[..., object], left: int, failure: BaseException) -> None:
        self.function, self.left, self.failure = function, left, failure

    def __call__(self, *arguments: object) -> object:
        self.left -= 1
        if self.left < 0:
            raise self.failure
        return self.function(*arguments)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("failure", [FULL, KeyboardInterrupt()])
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_failed_write_leaves_the_old_dataset_intact(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, calls: int, failure: BaseException
) -> None:
    before = contents(dataset)
    monkeypatch.setattr(os, "fsync", Fails(os.fsync, calls, failure))
    with pytest.raises(type(failure)):
        write_dataset(dataset, {split: array[::-1] for split, array in SPLITS.items()}, ABOUT)
    assert contents(dataset) == before


def test_interrupted_replacement_is_no_dataset(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New shards beside old ones and the old manifest once passed for a dataset; now the manifest goes first."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Fails(os.replace, 4, KeyboardInterrupt()))  # 3 files written, one in its place
        with pytest.raises(KeyboardInterrupt):
            write_dataset(dataset, SPLITS, ABOUT)
    assert sorted(contents(dataset)) == ["train-00000.npy", "validation-00000.npy"]
    with pytest.raises(DatasetError, match="no dataset"):
        read_manifest(dataset)


def test_arrays_of_others_are_not_taken_away(dataset: Path) -> None:
    np.save(dataset / "mine.npy", TRAIN)
    write_dataset(dataset, SPLITS, ABOUT)
    assert np.array_equal(np.load(dataset / "mine.npy"), TRAIN)


WINDOWS = {"train": 10, "validation": 0, "test": 0}
NO_SHARDS: dict[str, object] = {"train": {}, "validation": {}, "test": {}}


def edited(**changes: object) -> bytes:
    shards = {"train": {"train-00000.npy": ""}, "validation": {}, "test": {}}
    manifest = {"format_version": 1, "windows": WINDOWS, "shards": shards, **ABOUT}
    return json.dumps(manifest | changes).encode()


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (b"", r"manifest\.json is damaged"),
        (b'{"format_version": 1', r"manifest\.json is damaged"),
        (b"\xff\xfe\x00", r"manifest\.json is damaged"),
        (b"[]", r"manifest\.json is damaged"),
        (b"{}", r"manifest\.json is damaged"),
        (b'{"format_version": 1}', r"manifest\.json is damaged"),
        (edited(windows=[10]), r"manifest\.json is damaged"),
        (edited(shards={}), r"manifest\.json is damaged"),
        (edited(format_version=2), "format version 2; this musevae reads 1: update musevae"),
        (edited(windows={"train": 10}), "damaged at 'windows'"),
        (edited(windows=WINDOWS | {"test": "0"}), "damaged at 'windows'"),
        (edited(windows=WINDOWS | {"test": -1}), "damaged at 'windows'"),
        (edited(shards=NO_SHARDS | {"test": 5}), "damaged at 'shards'"),
        (edited(shards=NO_SHARDS | {"test": {"test-00000.npy": 5}}), "damaged at 'shards'"),
        (edited(shards={"train": {}, "validation": {}}), "damaged at 'shards'"),
        (edited(window_shape=["4"]), "damaged at 'window_shape'"),
        (edited(dtype="object"), "damaged at 'dtype'"),
        (edited(dtype="byte-sized"), "damaged at 'dtype'"),
        (edited(representation=None), "damaged at 'representation'"),
        (edited(sources=[1]), "damaged at 'sources'"),
        (edited(sources=[{"files": 1}]), "damaged at 'sources'"),
        (edited(windows=WINDOWS | {"train": 9}), "not those that the manifest describes"),
        (edited(shards=NO_SHARDS | {"train": {"gone.npy": ""}}), "missing or damaged"),
        (edited(), r"shard train-00000\.npy is damaged \(its SHA-256"),
    ],
)
def test_damaged_manifest_is_refused(dataset: Path, manifest: bytes, problem: str) -> None:
    (dataset / "manifest.json").write_bytes(manifest)
    with pytest.raises(DatasetError, match=problem):
        read_split(dataset, "train")


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no array", b"PK\x03\x04"])
def test_damaged_shard_is_refused(dataset: Path, damage: bytes) -> None:
    (dataset / "train-00000.npy").write_bytes(damage)
    with pytest.raises(DatasetError, match=r"train-00000\.npy is missing or damaged"):
        read_split(dataset, "train")
    assert np.array_equal(read_split(dataset, "validation"), TRAIN[:3])


def test_truncated_shard_is_refused(dataset: Path) -> None:
    path = dataset / "train-00000.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="missing or damaged"):
        read_split(dataset, "train")


def test_shard_of_pickled_objects_is_never_unpickled(dataset: Path) -> None:
    np.save(dataset / "train-00000.npy", np.array([{"an": "object"}] * 10), allow_pickle=True)
    with pytest.raises(DatasetError, match="missing or damaged"):
        read_split(dataset, "train")


def test_shard_with_a_changed_byte_is_refused(dataset: Path) -> None:
    path = dataset / "train-00000.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DatasetError, match=r"dataset: shard train-00000\.npy is damaged"):
        read_split(dataset, "train")


def test_shard_of_other_windows_is_refused(dataset: Path) -> None:
    np.save(dataset / "train-00000.npy", np.zeros((10, 7), np.int64))
    with pytest.raises(DatasetError, match="not those that the manifest describes"):
        read_split(dataset, "train")


def test_unknown_split_is_refused_and_the_known_are_named(dataset: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'dev'; its splits are train, validation, test"):
        read_split(dataset, "dev")


@pytest.mark.parametrize(
    ("name", "problem"), [("nowhere", "is no dataset"), (".", "is no dataset"), ("file", "is a file")]
)
def test_what_is_no_dataset_is_refused(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=f"{problem}.*musevae prepare"):
        read_manifest(tmp_path / name)
