"""Files here and elsewhere: a local path, or an address such as s3://bucket/tunes, which fsspec reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple


class PlaceError(ValueError):
    """An address that cannot be used; the message begins with it."""


class Found(NamedTuple):
    """A file in a folder."""

    name: str  # with the folders below the one searched, parted by /
    path: str
    stamp: str  # changes when the file does


def is_address(place: str) -> bool:
    """Whether a place is elsewhere, and fsspec's to read."""
    return "://" in place


def name_of(place: str) -> str:
    """The last part of a path or an address."""
    return PurePosixPath(place).name if is_address(place) else Path(place).resolve().name


def suffix_of(name: str) -> str:
    """The suffix in lower case, two of them where the last is a compression's: .mid, .zip, .tar.gz."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    return "".join(suffixes[-2:] if suffixes[-2:-1] == [".tar"] else suffixes[-1:])


def open_file(place: str) -> IO[bytes]:
    """The file, opened to be read; OSError where it cannot be."""
    if not is_address(place):
        return Path(place).open("rb")
    filesystem, path = elsewhere(place)
    opened: IO[bytes] = filesystem.open(path, "rb")
    return opened


def exists(place: str) -> bool:
    """Whether there is a file or folder of this name."""
    if not is_address(place):
        return Path(place).exists()
    filesystem, path = elsewhere(place)
    return bool(filesystem.exists(path))


def is_folder(place: str) -> bool:
    """Whether the place is a folder."""
    if not is_address(place):
        return Path(place).is_dir()
    filesystem, path = elsewhere(place)
    return bool(filesystem.isdir(path))


def stamp_of(place: str) -> str:
    """What changes when the file does, "" where it is gone."""
    if is_address(place):
        filesystem, path = elsewhere(place)
        return _stamp_elsewhere(filesystem.info(path))
    try:
        return _stamp(Path(place).stat())
    except OSError:
        return ""


def files_in(folder: str) -> Iterator[Found]:
    """Every file below a folder, in order of their names."""
    return _files_elsewhere(folder) if is_address(folder) else _files_here(folder, "")


def _files_here(folder: str, above: str) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir():
            yield from _files_here(entry.path, f"{above}{entry.name}/")
        elif entry.is_file():
            yield Found(above + entry.name, entry.path, _stamp(entry.stat()))


def _files_elsewhere(folder: str) -> Iterator[Found]:
    filesystem, root = elsewhere(folder)
    below = {path[len(root) :].lstrip("/"): info for path, info in filesystem.find(root, detail=True).items()}
    for name in sorted(below, key=lambda name: name.split("/")):
        yield Found(name, f"{folder.rstrip('/')}/{name}", _stamp_elsewhere(below[name]))


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _stamp_elsewhere(info: dict[str, Any]) -> str:
    marks = (info.get(key) for key in ("size", "ETag", "etag", "mtime", "LastModified", "created"))
    return "-".join(str(mark) for mark in marks if mark is not None)


def elsewhere(address: str) -> tuple[Any, str]:
    """Fsspec's file system for an address, and the path in it."""
    try:
        import fsspec  # an extra
    except ImportError:
        raise PlaceError(f"{address} needs fsspec: pip install musevae[remote]") from None
    try:
        filesystem, path = fsspec.core.url_to_fs(address)
    except (ImportError, OSError, ValueError) as error:
        raise PlaceError(f"{address} cannot be opened: {error}") from error
    return filesystem, path
