from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from musevae.files import replaced


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"old")
    return tmp_path / "file"


def only_file(path: Path) -> bytes:
    """The content of a file that is alone in its folder."""
    assert list(path.parent.iterdir()) == [path]
    return path.read_bytes()


def test_file_takes_its_name_when_the_block_ends(path: Path) -> None:
    with replaced(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert only_file(path) == b"new"


def write_half(path: Path, interruption: type[BaseException]) -> None:
    with replaced(path) as file:
        file.write(b"ne")
        raise interruption


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
def test_interrupted_block_leaves_the_old_file_intact_and_no_other(
    path: Path, interruption: type[BaseException]
) -> None:
    with pytest.raises(interruption):
        write_half(path, interruption)
    assert only_file(path) == b"old"


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file_intact_and_is_told_by_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match="No space left") as caught, replaced(path) as file:
        file.write(b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert only_file(path) == b"old"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_file_has_the_permissions_of_any_other_new_one(path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with replaced(path) as file:
            file.write(b"new")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_missing_folder_is_told_by_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replaced(tmp_path / "none" / "file"):
        pass
    assert caught.value.filename == str(tmp_path / "none" / "file")
