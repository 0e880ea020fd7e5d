"""Datasets that go to an address: fsspec's memory stands for a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_prep import prepare
from data_prep.upload import workplace
from musevae.music.shards import DatasetError, read_manifest
from tests.data_prep.corpora import ONE_BAR, contents, tune, write_corpus, write_tunes

fsspec = pytest.importorskip("fsspec")
ADDRESS = "memory://bucket/out"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Fsspec's memory, empty; what is made on its behalf goes into a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def held(memory: Any) -> dict[str, bytes]:  # noqa: ANN401
    return {path.rpartition("/")[2]: memory.cat_file(path) for path in memory.find("/bucket/out")}


def test_an_address_gets_the_bytes_of_a_folder(memory: Any, tmp_path: Path) -> None:  # noqa: ANN401
    corpus = write_corpus(tmp_path / "in")
    here, there = (prepare([corpus], output, ONE_BAR) for output in (tmp_path / "out", ADDRESS))
    assert held(memory) == contents(tmp_path / "out")
    assert here == there
    assert not workplace(ADDRESS).exists()


def test_the_manifest_comes_last(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    put = []

    def noted(here: str, there: str) -> None:
        put.append(there.rpartition("/")[2])

    monkeypatch.setattr(memory, "put_file", noted)
    prepare([write_corpus(tmp_path / "in")], ADDRESS, ONE_BAR)
    assert put[-1] == "manifest.json"
    assert len(put) == 4


def test_a_dataset_at_an_address_is_replaced_by_force_only(memory: Any, tmp_path: Path) -> None:  # noqa: ANN401
    prepare([write_corpus(tmp_path / "in")], ADDRESS, ONE_BAR)
    other = write_tunes(tmp_path / "other", {"train/a.mid": tune(60, 62)})
    with pytest.raises(DatasetError, match=r"memory://bucket/out already holds a dataset: .*--force"):
        prepare([other], ADDRESS, ONE_BAR)
    prepare([other], ADDRESS, ONE_BAR, force=True)
    prepare([other], tmp_path / "out", ONE_BAR)
    assert held(memory) == contents(tmp_path / "out")


def test_arrays_of_others_at_an_address_are_safe(memory: Any, tmp_path: Path) -> None:  # noqa: ANN401
    memory.pipe_file("/bucket/out/mine.npy", b"mine")
    with pytest.raises(DatasetError, match=r"holds \.npy files that are no dataset's"):
        prepare([write_corpus(tmp_path / "in")], ADDRESS, ONE_BAR, force=True)


def test_an_upload_that_failed_is_done_again(
    memory: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(here: str, there: str) -> None:
        raise PermissionError(13, "denied", there)

    corpus = write_corpus(tmp_path / "in")
    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", refused)
        with pytest.raises(PermissionError, match="denied"):
            prepare([corpus], ADDRESS, ONE_BAR)
    assert not held(memory)
    prepare([corpus], ADDRESS, ONE_BAR)
    prepare([corpus], tmp_path / "out", ONE_BAR)
    assert held(memory) == contents(tmp_path / "out")


def test_a_dataset_at_an_address_is_to_be_copied_before_it_is_read() -> None:
    with pytest.raises(DatasetError, match=r"s3:/bucket/out is not on this disk: copy the dataset into a folder here"):
        read_manifest(Path("s3://bucket/out"))
