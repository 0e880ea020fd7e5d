"""Archives read as streams, nothing unpacked to disk: members of a .zip in any order, a .tar in one pass."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import IO, Any, NamedTuple

from data_prep.places import is_address, open_file

ZIPS = frozenset({".zip"})
DECOMPRESSED: dict[str, Callable[[IO[bytes]], Any]] = {  # these notice where a file is cut off, tarfile's own do not
    ".tar": nullcontext,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.xz": lzma.open,
}
ZSTANDARD = frozenset({".tar.zst", ".tzst"})
TARS = DECOMPRESSED.keys() | ZSTANDARD
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)
MAX_BYTES = 1 << 26  # of a music file: what is larger is none


class ArchiveError(ValueError):
    """An archive or a member that cannot be read; the message says why and names nothing."""


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    stamp: str = ""  # changes when the file does
    data: bytes = b""  # of a .tar, which is read as it comes
    problem: str = ""  # why there is no data


def zip_members(path: str) -> Iterator[Member]:
    """The members of a .zip in order of their names; ArchiveError when it cannot be read."""
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            found = sorted(archive.infolist(), key=lambda info: info.filename)
    except zipfile.BadZipFile as error:
        raise ArchiveError(str(error)) from error
    return (Member(info.filename, f"{info.file_size}-{info.CRC}") for info in found if not info.is_dir())


def read_member(path: str, name: str) -> bytes:
    """The content of one member of a .zip; ArchiveError when it cannot be had."""
    try:
        archive = _opened_zip(path, os.getpid())
        check_size(archive.getinfo(name).file_size)
        return archive.read(name)
    except (*DAMAGED, RuntimeError, NotImplementedError, KeyError) as error:
        raise ArchiveError(str(error)) from error


def check_size(size: int) -> None:
    """ArchiveError for more bytes than a music file has."""
    if size > MAX_BYTES:
        raise ArchiveError(f"it has {size:,} bytes; at most {MAX_BYTES:,} are read")


@lru_cache(maxsize=8)
def _opened_zip(path: str, process: int) -> zipfile.ZipFile:
    """The archive, opened once in each process: a worker must not share its parent's place in the file."""
    return zipfile.ZipFile(open_file(path) if is_address(path) else path)


def tar_members(path: str, suffix: str) -> Iterator[Member]:
    """The files of a .tar in its order, each with its content; the last one has a problem if the rest is damaged."""
    last = ""
    try:
        with _opened_tar(path, suffix) as archive:
            for member in _members(archive):
                last = member.name
                if member.isfile():
                    yield _content(archive, member)
    except (*DAMAGED, ArchiveError) as error:
        yield Member(last, problem=f"the rest of the archive is lost, which is damaged from here on: {error}")


def check_tar(path: str, suffix: str) -> None:
    """ArchiveError unless the file begins as a .tar does."""
    try:
        with _opened_tar(path, suffix) as archive:
            archive.next()
    except DAMAGED as error:
        raise ArchiveError(str(error)) from error


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members as they come; the archive would remember all of them."""
    while member := archive.next():
        archive.members.clear()  # type: ignore[attr-defined]
        yield member


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Member:
    if member.size > MAX_BYTES:
        return Member(member.name, problem=f"it has {member.size:,} bytes; at most {MAX_BYTES:,} are read")
    file = archive.extractfile(member)
    return Member(member.name, data=file.read() if file else b"")


@contextmanager
def _opened_tar(path: str, suffix: str) -> Iterator[tarfile.TarFile]:
    with (
        open_file(path) as file,
        _zstandard(file) if suffix in ZSTANDARD else DECOMPRESSED[suffix](file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        yield archive


@contextmanager
def _zstandard(file: IO[bytes]) -> Iterator[IO[bytes]]:
    try:
        import zstandard  # an extra
    except ImportError:
        raise ArchiveError("it needs zstandard: pip install musevae[prepare]") from None
    try:
        with zstandard.ZstdDecompressor().stream_reader(file) as plain:
            yield plain
    except zstandard.ZstdError as error:
        raise ArchiveError(str(error)) from error
