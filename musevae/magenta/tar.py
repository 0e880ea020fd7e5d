"""A checkpoint in a tar, read in place.

Not by the standard library's tarfile, which is not made for hostile archives: it follows extended headers recursively
and can, in some of the Pythons that we support, be kept busy for hours. A checkpoint needs regular files only.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from musevae.magenta.errors import MagentaError, reading
from musevae.magenta.storage import INDEX, Extent, Find, indices

SUFFIXES = (".tar", ".tar.gz", ".tgz")
GZIP_MAGIC = b"\x1f\x8b"
BLOCK = 512
MAX_MEMBERS = 10_000
MAX_BYTES = 1 << 33  # uncompressed; Magenta's largest archive has 3 GB
REGULAR = (b"0", b"\0")
WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes
POSIX_MAGIC = b"ustar\0"


@contextmanager
def archive(path: Path) -> Iterator[tuple[str, Find]]:
    """The prefix of the one checkpoint in a tar, which gzip may have compressed, and its files by name."""
    with ExitStack() as opened, _unpacking(path):
        file: BinaryIO = opened.enter_context(path.open("rb"))
        if file.read(len(GZIP_MAGIC)) == GZIP_MAGIC:
            file.seek(0)
            file = cast("BinaryIO", opened.enter_context(gzip.GzipFile(fileobj=file)))
        with reading(path):
            members = _members(path, file)
        found = indices(list(members))
        if len(found) != 1:
            raise MagentaError(f"{path} holds {_several(found)}: unpack it and give the {INDEX} file of a checkpoint")

        def find(name: str) -> Extent:
            if name not in members:
                raise MagentaError(f"{path} lacks {name!r}: download it again")
            return members[name]

        yield found[0].removesuffix(INDEX), find


def _several(found: list[str]) -> str:
    return f"several checkpoints, {', '.join(map(repr, found))}" if found else "no TensorFlow checkpoint"


@contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MagentaError(f"{path} is damaged ({error}): download it again") from None


def _members(path: Path, file: BinaryIO) -> dict[str, Extent]:
    """The regular files of a tar but for those whose names lead out of it; ValueError when it is damaged."""
    members: dict[str, Extent] = {}
    end = 0
    for _ in range(MAX_MEMBERS):
        header = _header(file, end)
        if not any(header):
            return members
        name, kind, size = _name(header), header[156:157], _octal(header[124:136])
        start, content = end + BLOCK, 0 if kind in WITHOUT_CONTENT else size
        end = start - (-content // BLOCK) * BLOCK
        if end > MAX_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
        if kind in REGULAR and not name.startswith("/") and ".." not in name.split("/"):
            if name in members:
                raise ValueError(f"{name!r} is there twice")
            members[name] = Extent(f"{path}: {name!r}", file, start, size)
    raise ValueError(f"it has more than {MAX_MEMBERS} members")


def _header(file: BinaryIO, at: int) -> bytes:
    """The header that begins at an offset, with the right checksum; nothing at the end of the file."""
    before = min(at, 1)  # a byte more shows whether what came before is there to its end
    file.seek(at - before)
    block = file.read(before + BLOCK)
    header = block[before:]
    if len(block) < before or len(header) not in (0, BLOCK):
        raise ValueError("it ends early")
    if any(header) and sum(header[:148]) + 8 * ord(" ") + sum(header[156:]) != _octal(header[148:156]):
        raise ValueError("a header's checksum is wrong")
    return header


def _name(header: bytes) -> str:
    """A member's name; that of an extended header, for more than 100 or 255 characters, is left unread."""
    name, prefix = (field.partition(b"\0")[0] for field in (header[:100], header[345:500]))
    if prefix and header[257:263] == POSIX_MAGIC:
        name = prefix + b"/" + name
    return name.decode(errors="replace")


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]+", digits):
        raise ValueError("a header's number is wrong")
    return int(digits, 8)
