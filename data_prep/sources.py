"""Finding music files: single files, folders (recursively) and .zip archives, whose members are read in place."""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath

from musevae.music.shards import SPLITS

MUSIC_SUFFIXES = frozenset({".mid", ".midi", ".kar"})
SPLIT_FOLDERS = {split: split for split in SPLITS} | {"valid": "validation", "val": "validation", "eval": "validation"}


class SourceError(ValueError):
    """An input that is no music file, folder or archive; the message begins with its name."""


@dataclass(frozen=True)
class Source:
    """One music file, or one member of an archive."""

    root: str  # the input it came from
    name: str  # what messages and the manifest call it: nothing above its input
    path: Path
    member: str | None = None

    @property
    def split(self) -> str | None:
        """The split that a folder of its name is named after, the innermost counting; None where there is none."""
        folders = self.name.replace(":", "/").split("/")[:-1]
        return next((SPLIT_FOLDERS[part.lower()] for part in reversed(folders) if part.lower() in SPLIT_FOLDERS), None)

    def read(self) -> bytes:
        """The file's bytes; OSError or SourceError when they cannot be had."""
        if self.member is None:
            return self.path.read_bytes()
        try:
            return _archive(self.path, os.getpid()).read(self.member)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, EOFError) as error:
            raise SourceError(f"{self.name}: cannot be read from its archive: {error}") from error


def find_sources(inputs: Iterable[Path]) -> list[Source]:
    """Every music file of the inputs, in order of input, then name; SourceError for an input that has none."""
    return [source for path in inputs for source in _sources_of(path)]


def _sources_of(path: Path) -> list[Source]:
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if path.is_file() and path.suffix.lower() not in MUSIC_SUFFIXES | {".zip"}:
        raise SourceError(
            f"{path} is neither a music file ({', '.join(sorted(MUSIC_SUFFIXES))}), a folder nor a .zip archive"
        )
    found = list(_members(path) if path.suffix.lower() == ".zip" and path.is_file() else _files(path))
    if not found:
        raise SourceError(f"{path} holds no music file ({', '.join(sorted(MUSIC_SUFFIXES))})")
    return found


def _files(path: Path) -> Iterator[Source]:
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        name = path.name if file == path else f"{path.name}/{file.relative_to(path).as_posix()}"
        if file.suffix.lower() in MUSIC_SUFFIXES and file.is_file():
            yield Source(path.name, name, file)
        elif file.suffix.lower() == ".zip" and file.is_file():
            yield from (Source(path.name, f"{name}:{source.member}", file, source.member) for source in _members(file))


def _members(path: Path) -> Iterator[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except zipfile.BadZipFile as error:
        raise SourceError(f"{path} is not a readable .zip archive: {error}") from error
    for member in names:
        if PurePath(member).suffix.lower() in MUSIC_SUFFIXES and not member.startswith("__MACOSX/"):
            yield Source(path.name, f"{path.name}:{member}", path, member)


@lru_cache(maxsize=8)
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    """The archive, opened once in each process: a worker must not share its parent's place in the file."""
    return zipfile.ZipFile(path)
