from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile

import pytest

from data_prep.sources import SourceError, find_sources

FILES = {"b.mid": b"b", "a.MIDI": b"a", "sub/c.kar": b"c", "sub/notes.txt": b"no music", "sub/folder.mid/d.mid": b"d"}


def write_zip(path: Path, files: dict[str, bytes], compression: int = ZIP_DEFLATED) -> Path:
    with ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "tunes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "tunes"


def found(*inputs: Path) -> dict[str, bytes]:
    return {source.name: source.read() for source in find_sources(inputs)}


def test_folder_is_searched_through_in_order_of_names(folder: Path) -> None:
    names = ["tunes/a.MIDI", "tunes/b.mid", "tunes/sub/c.kar", "tunes/sub/folder.mid/d.mid"]
    assert list(found(folder).items()) == list(zip(names, [b"a", b"b", b"c", b"d"], strict=True))


def test_archive_members_are_read_in_place(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "tunes.zip", FILES | {"__MACOSX/._b.mid": b"stray"})
    names = ["tunes.zip:a.MIDI", "tunes.zip:b.mid", "tunes.zip:sub/c.kar", "tunes.zip:sub/folder.mid/d.mid"]
    assert list(found(path).items()) == list(zip(names, [b"a", b"b", b"c", b"d"], strict=True))
    assert list(tmp_path.iterdir()) == [path]


def test_archive_inside_a_folder_is_searched_too(folder: Path) -> None:
    write_zip(folder / "sub" / "more.ZIP", {"x.mid": b"x"})
    assert found(folder)["tunes/sub/more.ZIP:x.mid"] == b"x"


def test_inputs_keep_their_order(folder: Path, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "tunes.zip", {"x.mid": b"x"})
    assert list(found(path, folder / "b.mid", folder / "a.MIDI").values()) == [b"x", b"b", b"a"]
    assert [source.root for source in find_sources([path, folder / "b.mid"])] == ["tunes.zip", "b.mid"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("nowhere", None, "nowhere does not exist"),
        (
            "notes.doc",
            b"",
            r"notes\.doc is neither a music file \(\.kar, \.mid, \.midi\), a folder, a \.zip or \.tar archive nor",
        ),
        ("notes.txt", b"# nothing\n\n", r"notes\.txt holds no music file"),
        ("list.txt", b"nowhere\n", r"nowhere does not exist"),
        ("broken.tar", b"no archive", r"broken\.tar is not a readable \.tar archive"),
        ("broken.tar.gz", b"\x1f\x8b no archive", r"broken\.tar\.gz is not a readable \.tar\.gz archive"),
        ("broken.tar.zst", b"no archive", r"broken\.tar\.zst is not a readable \.tar\.zst archive"),
        ("broken.zip", b"PK but no archive", r"broken\.zip is not a readable \.zip archive"),
        ("empty.zip", b"PK\x05\x06" + bytes(18), r"empty\.zip holds no music file"),
    ],
)
def test_input_that_is_none_is_refused(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=problem):
        find_sources([tmp_path / name])


def test_folder_without_music_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no music file"):
        find_sources([tmp_path])


def damage_data(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[44:64] = b"\xff" * 20
    path.write_bytes(data)


@pytest.mark.parametrize("compression", [ZIP_DEFLATED, ZIP_LZMA])
def test_damaged_member_is_told_by_its_name(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "tunes.zip", {"a.mid": bytes(range(256)) * 4}, compression)
    damage_data(path)
    (source,) = find_sources([path])
    with pytest.raises(SourceError, match=r"tunes\.zip:a\.mid: cannot be read: "):
        source.read()
