"""Where pictures lie: a folder with all below it, or a .zip that is read without unpacking it."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from musevae.images.image_set import ImageDataError
from musevae.images.pictures import FORMATS

SUFFIXES = tuple(FORMATS)
HIDDEN = ("/.", "/__MACOSX/")  # how hidden files begin, and the folder where a Mac's .zip keeps its own
MAX_BYTES = 1 << 26  # of a picture file: what is larger is left out
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, KeyError)

Read = Callable[[str], bytes]  # a picture's name -> its file's content; threads may share it


@dataclass(frozen=True)
class Album:
    """Pictures in one place, in the order of their names."""

    place: Path  # the folder or .zip
    stamps: Mapping[str, str]  # name -> what changes when the picture does
    opened: Callable[[], AbstractContextManager[Read]]  # for reading; OSError or ImageDataError for what cannot be read


def folder_album(folder: Path) -> Album:
    """The pictures in a folder and below it, but for hidden ones; names are paths from there, with slashes."""
    stamps = {name: _stamp(entry) for name, entry in _walk(folder) if is_picture(name)}
    return Album(folder, dict(sorted(stamps.items())), partial(_folder_opened, folder))


def zip_album(path: Path) -> Album:
    """The pictures in a .zip, but for hidden ones; ImageDataError when its list of contents cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = {info.filename: f"{info.file_size}-{info.CRC}" for info in archive.infolist()}
    except DAMAGED as error:
        raise ImageDataError(f"{path} is a damaged .zip ({error}): fetch it again") from error
    return Album(path, {name: found[name] for name in sorted(found) if is_picture(name)}, partial(_zip_opened, path))


def is_picture(name: str) -> bool:
    """Whether a file is named as pictures are, and neither it nor a folder that it is in is hidden."""
    return name.lower().endswith(SUFFIXES) and not any(hidden in f"/{name}" for hidden in HIDDEN)


def _walk(folder: Path | str, above: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files in a folder and below it, by their paths from there; links to folders are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{above}{entry.name}/")
            else:
                yield f"{above}{entry.name}", entry


def _stamp(entry: os.DirEntry[str]) -> str:
    """A file's size, time and mode; "" for a link to nothing, which reading will name."""
    try:
        status = entry.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_mode:o}"  # the mode may be what makes it unreadable


@contextmanager
def _folder_opened(folder: Path) -> Iterator[Read]:
    def read(name: str) -> bytes:
        path = folder / name
        _check_size(path.stat().st_size)
        return path.read_bytes()

    yield read


@contextmanager
def _zip_opened(path: Path) -> Iterator[Read]:
    with zipfile.ZipFile(path) as archive:

        def read(name: str) -> bytes:
            try:
                _check_size(archive.getinfo(name).file_size)
                return archive.read(name)
            except DAMAGED as error:
                raise ImageDataError(f"is damaged in its .zip ({error})") from error

        yield read


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ImageDataError(f"has {size:,} bytes; of a picture at most {MAX_BYTES:,} are read")
