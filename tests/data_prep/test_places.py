"""Corpora that are not on this disk: fsspec's memory stands for a bucket."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from data_prep import prepare
from data_prep.places import PlaceError, files_in, suffix_of
from data_prep.sources import SourceError, find_sources, stream
from musevae.music.shards import read_manifest
from tests.data_prep.corpora import ONE_BAR, contents, write_corpus
from tests.data_prep.test_archives import write_tar

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Path]:
    """A corpus on disk, of which memory://bucket has a copy."""
    folder = write_corpus(tmp_path / "tunes")
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/bucket/tunes", recursive=True)
    yield folder
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def test_bucket_gives_the_bytes_of_its_folder(corpus: Path, tmp_path: Path) -> None:
    prepare([corpus], tmp_path / "here", ONE_BAR)
    prepare(["memory://bucket/tunes"], tmp_path / "there", ONE_BAR)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert read_manifest(tmp_path / "there")["sources"] == [{"name": "tunes", "files": 25}]


def test_files_of_a_bucket_come_in_the_order_of_a_folders(corpus: Path) -> None:
    here, there = files_in(str(corpus)), files_in("memory://bucket/tunes")
    assert [file.name for file in here] == [file.name for file in there]


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_archives_and_lists_of_a_bucket_are_read(corpus: Path, tmp_path: Path, suffix: str) -> None:
    files = {path.name: path.read_bytes() for path in sorted(corpus.rglob("*.mid"))}
    packed = tmp_path / f"all{suffix}"
    if suffix == ".zip":
        with ZipFile(packed, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        write_tar(packed, files, "w:gz" if suffix == ".tar.gz" else "w")
    fsspec.filesystem("memory").put(str(packed), f"/bucket/all{suffix}")
    (tmp_path / "list.txt").write_text(f"memory://bucket/all{suffix}\nmemory://bucket/tunes/00.mid\n")
    for place in (f"memory://bucket/all{suffix}", str(tmp_path / "list.txt")):
        read = [source.read() for source in stream(find_sources([place]))]
        assert sorted(read[: len(files)]) == sorted(files.values())


@pytest.mark.parametrize("place", ["memory://bucket/nowhere", "memory://nowhere/a.mid"])
def test_what_is_not_there_is_told(corpus: Path, place: str) -> None:
    with pytest.raises(SourceError, match=f"{place} does not exist"):
        find_sources([place])


def test_unknown_protocol_is_told() -> None:
    with pytest.raises(PlaceError, match=r"gopher://tunes cannot be opened: .*gopher"):
        find_sources(["gopher://tunes"])


def test_address_without_fsspec_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(PlaceError, match=r"memory://a needs fsspec: pip install musevae\[remote\]"):
        find_sources(["memory://a"])


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.MID", ".mid"), ("a.b.tar.GZ", ".tar.gz"), ("a.gz", ".gz"), ("a", ""), ("v1.0.zip", ".zip")]
)
def test_suffix_is_what_says_the_kind(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix
