from __future__ import annotations

import io
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from data_prep import archives
from data_prep.archives import ArchiveError
from data_prep.sources import Source, SourceError, find_sources, stream

FILES = {"b.mid": b"b", "sub/a.KAR": b"a", "sub/notes.txt": b"no music", "__MACOSX/x.mid": b"stray", "c.midi": b"c"}
MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def write_tar(path: Path, files: dict[str, bytes] = FILES, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def read(*inputs: Path) -> dict[str, bytes]:
    return {source.name: source.read() for source in stream(find_sources(inputs))}


@pytest.mark.parametrize("suffix", MODES)
def test_tar_is_read_in_its_own_order_in_one_pass(tmp_path: Path, suffix: str) -> None:
    path = write_tar(tmp_path / f"tunes{suffix}", mode=MODES[suffix])
    names = [f"tunes{suffix}:b.mid", f"tunes{suffix}:sub/a.KAR", f"tunes{suffix}:c.midi"]
    assert list(read(path).items()) == list(zip(names, [b"b", b"a", b"c"], strict=True))
    assert list(tmp_path.iterdir()) == [path]


def test_tar_of_zstandard_is_read(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    plain = write_tar(tmp_path / "tunes.tar")
    path = tmp_path / "tunes.tar.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    assert list(read(path).values()) == list(read(plain).values())


def test_tar_of_zstandard_without_zstandard_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tunes.tar.zst").touch()
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(SourceError, match=r"tunes\.tar\.zst .* pip install musevae\[prepare\]"):
        read(tmp_path / "tunes.tar.zst")


def test_archive_inside_a_folder_is_streamed_where_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "z.mid").write_bytes(b"z")
    write_tar(folder / "sub" / "more.tgz", {"x.mid": b"x"}, "w:gz")
    assert read(folder) == {"in/sub/more.tgz:x.mid": b"x", "in/z.mid": b"z"}


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_rest_of_a_tar_that_is_cut_off_is_told_and_what_comes_before_is_read(tmp_path: Path, suffix: str) -> None:
    files = {f"{index}.mid": bytes(range(256)) * 40 + bytes([index]) for index in range(9)}
    path = write_tar(tmp_path / f"tunes{suffix}", files, MODES[suffix])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    *whole, last = stream(find_sources([path]))
    assert [source.read() for source in whole] == list(files.values())[: len(whole)]
    assert last.fault
    assert last.fault.message.startswith(f"tunes{suffix}:")
    assert "the rest of the archive is lost" in last.fault.message


def test_tar_without_music_is_told(tmp_path: Path) -> None:
    (source,) = stream(find_sources([write_tar(tmp_path / "tunes.tar", {"notes.txt": b""})]))
    assert source.fault
    assert source.fault.message == "tunes.tar holds no music file (.kar, .mid, .midi)"


def test_what_is_too_large_for_music_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 2)
    (tmp_path / "a.mid").write_bytes(b"abc")
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.mid", b"abc")
    for name in ("a.mid", "a.zip"):
        (source,) = find_sources([tmp_path / name])
        with pytest.raises(SourceError, match=r"a\.mid: cannot be read: it has 3 bytes; at most 2"):
            source.read()
    (member,) = stream(find_sources([write_tar(tmp_path / "a.tar", {"a.mid": b"abc"})]))
    assert member.fault
    assert "it has 3 bytes" in member.fault.message


def test_tar_does_not_remember_its_members(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "tunes.tar", {f"{index}.mid": b"x" for index in range(100)})
    with archives._opened_tar(str(path), ".tar") as archive:
        for _ in archives._members(archive):
            assert len(archive.getmembers.__self__.members) <= 1  # type: ignore[attr-defined]


def test_list_names_files_folders_and_archives_beside_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.mid", "in/b.mid", "c.mid"):
        (tmp_path / name).write_bytes(name.encode())
    write_tar(tmp_path / "d.tar", {"d.mid": b"d"})
    (tmp_path / "list.txt").write_text(f"# mine\nin\n\n c.mid \n{tmp_path / 'c.mid'}\nd.tar\n")
    names = ["in/a.mid", "in/b.mid", "c.mid", "c.mid", "d.tar:d.mid"]
    sources = list(stream(find_sources([tmp_path / "list.txt"])))
    assert [source.name for source in sources] == [f"list.txt:{name}" for name in names]
    assert [source.read() for source in sources] == [b"in/a.mid", b"in/b.mid", b"c.mid", b"c.mid", b"d"]


def test_listed_file_that_is_gone_is_found_out_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("gone.mid\n")
    (source,) = find_sources([tmp_path / "list.txt"])
    with pytest.raises(OSError, match="gone"):
        source.read()


def test_unreadable_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(ArchiveError):
        archives.zip_members(str(tmp_path / "a.zip"))


def test_a_stream_is_taken_apart_once(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "tunes.tar")
    assert [source.is_stream for source in find_sources([path])] == [True]
    assert not any(source.is_stream for source in stream(find_sources([path])))
    assert not Source("in", "in/a.mid", "in/a.mid").is_stream
