"""Finding music: files, folders (recursively), .zip and .tar archives, and lists of paths, all read in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from data_prep import archives, places
from data_prep.archives import ArchiveError, Member

MUSIC_SUFFIXES = frozenset({".mid", ".midi", ".kar"})
LIST_SUFFIX = ".txt"
KINDS = (
    f"a music file ({', '.join(sorted(MUSIC_SUFFIXES))}), a folder, a .zip or .tar archive nor a {LIST_SUFFIX} of paths"
)
NONE = f"holds no music file ({', '.join(sorted(MUSIC_SUFFIXES))})"
NOT_MUSIC = "__MACOSX/"  # what macOS puts into archives beside the files


class SourceError(ValueError):
    """An input that is no music file, folder, archive or list; the message begins with its name."""


class Fault(NamedTuple):
    """Why a source is not to be read."""

    reason: str  # what it is counted as
    message: str  # begins with the source's name


class Source(NamedTuple):
    """One music file, one member of an archive, or a whole .tar, which `stream` takes apart."""

    root: str  # the input it came from
    name: str  # what messages and the manifest call it: nothing above its input
    path: str
    member: str = ""
    stamp: str = ""  # changes when the file does
    data: bytes | None = None  # of a .tar's member
    split: str = ""  # where something else than its content decides
    fault: Fault | None = None

    @property
    def is_stream(self) -> bool:
        """Whether this is a .tar, whose members are not known yet."""
        return places.suffix_of(self.path) in archives.TARS and self.data is None and not self.fault

    def read(self) -> bytes:
        """The file's bytes; OSError or SourceError when they cannot be had."""
        if self.data is not None:
            return self.data
        try:
            if self.member:
                return archives.read_member(self.path, self.member)
            with places.open_file(self.path) as file:
                data = file.read(archives.MAX_BYTES + 1)
            archives.check_size(len(data))
        except ArchiveError as error:
            raise SourceError(f"{self.name}: cannot be read: {error}") from error
        return data


def find_sources(inputs: Iterable[str | Path]) -> list[Source]:
    """Every music file of the inputs, in order of input, then name; SourceError for an input that has none."""
    return [source for place in map(str, inputs) for source in _checked(place, list(_sources_of(place)))]


def stream(sources: Iterable[Source]) -> Iterator[Source]:
    """The sources, each .tar taken apart as it is read: one pass, one member at a time."""
    for source in sources:
        if source.is_stream:
            yield from _members(source)
        else:
            yield source


def _checked(place: str, found: list[Source]) -> list[Source]:
    if not found:
        raise SourceError(f"{place} {NONE}")
    return found


def _members(archive: Source) -> Iterator[Source]:
    """The members of a .tar that are music; what is wrong with it is the fault of one of them."""
    found = False
    for member in archives.tar_members(archive.path, places.suffix_of(archive.path)):
        name = f"{archive.name}:{member.name}"
        if member.problem or _is_music(member):
            fault = Fault("unreadable", f"{name}: {member.problem}") if member.problem else None
            yield Source(archive.root, name, archive.path, member.name, data=member.data, fault=fault)
            found = True
    if not found:
        yield archive._replace(fault=Fault("unreadable", f"{archive.name} {NONE}"))


def _sources_of(place: str) -> Iterator[Source]:
    """The sources of an input of any kind."""
    root = places.name_of(place)
    suffix = places.suffix_of(place)
    if not places.exists(place):
        raise SourceError(f"{place} does not exist")
    if places.is_folder(place):
        for file in places.files_in(place):
            yield from _file(root, f"{root}/{file.name}", file.path, file.stamp)
    elif suffix == LIST_SUFFIX:
        yield from _listed(root, Path(place))
    elif suffix in MUSIC_SUFFIXES | archives.ZIPS | archives.TARS:
        yield from _file(root, root, place, places.stamp_of(place))
    else:
        raise SourceError(f"{place} is neither {KINDS}")


def _file(root: str, name: str, path: str, stamp: str) -> Iterator[Source]:
    """A music file or the members of an archive; nothing of a file of another kind."""
    suffix = places.suffix_of(path)
    if suffix in MUSIC_SUFFIXES:
        yield Source(root, name, path, stamp=stamp)
    elif suffix in archives.ZIPS | archives.TARS:
        try:
            if suffix in archives.TARS:
                archives.check_tar(path, suffix)
                yield Source(root, name, path, stamp=stamp)
                return
            for member in filter(_is_music, archives.zip_members(path)):
                yield Source(root, f"{name}:{member.name}", path, member.name, member.stamp)
        except ArchiveError as error:
            raise SourceError(f"{path} is not a readable {suffix} archive: {error}") from error


def _listed(root: str, place: Path) -> Iterator[Source]:
    """What the lines of a list name, relative to its folder; a music file is not looked for before it is read."""
    for line in place.read_text(encoding="utf-8").splitlines():
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        path = entry if places.is_address(entry) else str(place.parent / entry)
        short = entry if not (places.is_address(entry) or Path(entry).is_absolute()) else places.name_of(entry)
        if places.suffix_of(entry) in MUSIC_SUFFIXES and not places.is_folder(path):
            yield Source(root, f"{root}:{short}", path, stamp=places.stamp_of(path))
        else:
            yield from (source._replace(root=root, name=f"{root}:{source.name}") for source in _sources_of(path))


def _is_music(member: Member) -> bool:
    return places.suffix_of(member.name) in MUSIC_SUFFIXES and not member.name.startswith(NOT_MUSIC)
