"""Work that outlives its process: what each chunk of files gave, kept inside the dataset's folder until it is whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from data_prep.pieces import Chunk, unpacked
from data_prep.sources import Source
from musevae.files import replaced
from musevae.music.shards import MANIFEST, DatasetError, is_shard

FOLDER = ".unfinished"
PLAN = "plan.json"
JOURNAL = "reading"
SHARDS = "shards"
CHUNKS = "*.chunk"
VERSION = 2  # of the chunks and of what is done to make them


class Unfinished:
    """The folder inside `output` of one preparation, which the same command continues."""

    def __init__(self, output: Path, plan: Mapping[str, Any]) -> None:
        self.output = output
        self.folder = output / FOLDER
        self._plan = json.dumps({"version": VERSION, **plan}, indent=2).encode()

    @property
    def journal(self) -> Path:
        """Where a process notes the chunk in hand."""
        return self.folder / JOURNAL

    def open(self, *, force: bool) -> None:
        """Make the folder, or take it over; DatasetError where the output may not be written to."""
        mine, anothers = self._begun(), (self.folder / PLAN).exists()
        if not mine:
            check_names(self.output, [path.name for path in self.output.glob("*")], force)
            if anothers and not force:
                raise DatasetError(
                    f"{self.output} holds the unfinished work of another command or of files since changed: repeat "
                    "that command, choose another folder, or --force to begin anew"
                )
            self._remove()
        self.folder.mkdir(parents=True, exist_ok=True)
        if not mine:
            with replaced(self.folder / PLAN) as file:
                file.write(self._plan)

    def _begun(self) -> bool:
        with suppress(OSError):
            return (self.folder / PLAN).read_bytes() == self._plan
        return False

    def has(self, index: int) -> bool:
        """Whether a chunk is kept."""
        return self._chunk(index).exists()

    def keep(self, index: int, data: bytes) -> None:
        """Keep a packed chunk, whole or not at all."""
        with replaced(self._chunk(index)) as file:
            file.write(data)

    def chunks(self, count: int) -> Iterator[Chunk]:
        """The first `count` chunks, in order."""
        return (unpacked(self._chunk(index).read_bytes()) for index in range(count))

    def _chunk(self, index: int) -> Path:
        return self.folder / CHUNKS.replace("*", f"{index:07d}")

    @contextmanager
    def shards(self) -> Iterator[Path]:
        """A folder, empty at first and gone in the end, to write shards to."""
        aside = self.folder / SHARDS
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def close(self, *, whole: bool) -> None:
        """Take the folder away, unless there is something in it to continue; and the output, if nothing is left."""
        if whole or not any(self.folder.glob(CHUNKS)):
            self._remove()
            with suppress(OSError):  # not empty
                self.output.rmdir()

    def _remove(self) -> None:
        for path in self.folder.glob(CHUNKS):
            path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


def check_names(output: str | Path, names: Collection[str], force: bool) -> None:
    """DatasetError unless a folder that holds files of these names may be written to."""
    is_dataset, arrays = MANIFEST in names, [name for name in names if name.endswith(".npy")]
    if not is_dataset and not all(map(is_shard, arrays)):
        raise DatasetError(f"{output} holds .npy files that are no dataset's: choose another folder")
    if (is_dataset or arrays) and not force:
        state = "a dataset" if is_dataset else "an unfinished dataset"
        raise DatasetError(f"{output} already holds {state}: choose another folder, or --force to replace it")


def listing(sources: Iterable[Source]) -> str:
    """A hash of the sources' names and stamps: changes when a file does."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(json.dumps([source.name, source.stamp]).encode())
    return digest.hexdigest()
