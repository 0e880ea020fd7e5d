"""Which split a piece is in: a table or a folder says so, or a hash of the piece itself."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from musevae.music.shards import SPLITS

SPLIT_NAMES = {split: split for split in SPLITS} | {"valid": "validation", "val": "validation", "eval": "validation"}
FILE_COLUMNS = ("midi_filename", "filename", "file", "path", "name")  # of a table; the first of these that it has
SPLIT_COLUMN = "split"
HELD_OUT = (0.05, 0.05)  # shares of the pieces for validation and test, where nothing names the split


class SplitError(ValueError):
    """A table of splits that cannot be used; the message begins with its name."""


def split_of(fingerprint: int, held_out: tuple[float, float] = HELD_OUT, seed: int = 0) -> str:
    """The split of a piece by its fingerprint: the same wherever and with whatever else it is prepared."""
    digest = hashlib.sha256(f"{seed}:{fingerprint:016x}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    validation, test = held_out
    return "validation" if draw < validation else "test" if draw < validation + test else "train"


def check_held_out(held_out: tuple[float, float]) -> None:
    """ValueError unless these are shares that leave something to train on."""
    if min(held_out) < 0 or sum(held_out) >= 1:
        raise ValueError(
            f"held_out is {held_out[0]:g},{held_out[1]:g}; the shares for validation and test are at least 0 and "
            "less than 1 together: try 0.05,0.05"
        )


def folder_split(name: str) -> str:
    """The split that a folder of a source is named after, the innermost counting; "" where there is none."""
    folders = reversed(parts(name)[:-1])
    return next((SPLIT_NAMES[part.lower()] for part in folders if part.lower() in SPLIT_NAMES), "")


def table_split(name: str, table: Mapping[str, str]) -> str:
    """What a table says of a source, by as much of the end of its path as the table has; "" where nothing."""
    path = parts(name)
    ends = ("/".join(path[first:]) for first in range(len(path)))
    return next((table[end] for end in ends if end in table), "")


def parts(name: str) -> list[str]:
    """A source's name by folders, an archive being one."""
    return name.replace(":", "/").split("/")


def read_table(path: Path) -> dict[str, str]:
    """File -> split of a CSV with a header, as Groove's info.csv and MAESTRO's; SplitError where it is another."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        key = next((column for column in FILE_COLUMNS if column in columns), None)
        if key is None or SPLIT_COLUMN not in columns:
            raise SplitError(
                f"{path} has the columns {', '.join(columns) or 'none'}; a table of splits has {SPLIT_COLUMN!r} and "
                f"one of {', '.join(FILE_COLUMNS)}"
            )
        return dict(_rows(path, ((row[key], row[SPLIT_COLUMN]) for row in rows)))


def _rows(path: Path, rows: Iterable[tuple[str | None, str | None]]) -> Iterable[tuple[str, str]]:
    for line, (file, split) in enumerate(rows, 2):
        if not file:
            continue
        if (split or "").lower() not in SPLIT_NAMES:
            raise SplitError(
                f"{path}, row {line}: {split!r} is no split; it must be one of {', '.join(sorted(SPLIT_NAMES))}"
            )
        yield file.replace("\\", "/").removeprefix("./"), SPLIT_NAMES[(split or "").lower()]
