"""The files that a TensorFlow checkpoint consists of, found by name in a folder and read in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from musevae.magenta.errors import MagentaError

INDEX = ".index"
READ_BLOCK = 1 << 20


@dataclass(frozen=True)
class Extent:
    """The bytes of one file: all of `file`, or a part of it when that is an archive."""

    name: str
    file: BinaryIO
    start: int
    size: int

    def read(self, offset: int, size: int) -> NDArray[np.uint8]:
        """Bytes (size,); MagentaError where the file does not have them."""
        if not 0 <= offset <= offset + size <= self.size:
            raise MagentaError(f"{self.name} has {self.size} bytes, too few: it is damaged, download it again")
        data = np.empty(size, np.uint8)
        self.file.seek(self.start + offset)
        for first in range(0, size, READ_BLOCK):
            part = data[first : first + READ_BLOCK]
            block = self.file.read(part.size)
            if len(block) != part.size:
                raise MagentaError(f"{self.name} ends early: download it again")
            part[:] = np.frombuffer(block, np.uint8)
        return data


Find = Callable[[str], Extent]


@contextmanager
def folder(path: Path) -> Iterator[Find]:
    """The files of a folder by name, open as long as the block lasts."""
    with ExitStack() as opened:

        def find(name: str) -> Extent:
            file = path / name
            if not file.is_file():
                raise MagentaError(f"{file} is missing: a checkpoint is its .index and all of its .data files")
            return Extent(str(file), opened.enter_context(file.open("rb")), 0, file.stat().st_size)

        yield find


def indices(names: list[str]) -> list[str]:
    """The checkpoint indices among file names; macOS keeps something else beside one, `._model.ckpt.index`."""
    return [name for name in sorted(names) if name.endswith(INDEX) and not name.rpartition("/")[2].startswith("._")]
