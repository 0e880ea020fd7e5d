"""What went into a dataset and what did not: chunks gathered, in order, into shards and a report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.deduplicate import FILLED, Seen
from data_prep.pieces import Chunk, Piece
from data_prep.statistics import Statistics
from musevae.music.shards import SPLITS, DatasetWriter

NAMED = 100  # files that cannot be read, with the reason
EXAMPLES = 3  # names for each other reason
REPEATED = "duplicate file"


def _per_split() -> dict[str, int]:
    return dict.fromkeys(SPLITS, 0)


@dataclass
class Report:
    """What went into a dataset and what did not."""

    files: int = 0
    pieces: dict[str, int] = field(default_factory=_per_split)  # split -> pieces with windows; versions count once
    skipped: Counter[str] = field(default_factory=Counter)  # reason -> count of files, tracks, stretches or windows
    examples: dict[str, list[str]] = field(default_factory=dict)  # reason -> names of some files
    unreadable: dict[str, str] = field(default_factory=dict)  # name -> why nothing was read of it; the first ones
    windows: dict[str, int] = field(default_factory=_per_split)  # split -> windows kept
    duplicates: dict[str, int] = field(default_factory=_per_split)  # split -> windows dropped
    statistics: dict[str, Any] = field(default_factory=dict)  # of the files read, each content once

    def skip(self, piece: Piece, reasons: dict[str, int]) -> None:
        """Count what a piece was left out for."""
        self.skipped.update(reasons)
        for reason in reasons:
            names = self.examples.setdefault(reason, [])
            if len(names) < EXAMPLES:
                names.append(piece.name)
        if piece.error and len(self.unreadable) < NAMED:
            self.unreadable[piece.name] = piece.error


class Gathering:
    """Takes chunks in order; writes what is new of them, and counts."""

    def __init__(self, writer: DatasetWriter, *, dedupe: bool) -> None:
        self.report = Report()
        self.writer, self._dedupe = writer, dedupe
        self._windows, self._contents, self._pieces = ({split: Seen() for split in SPLITS} for _ in range(3))
        self._statistics = Statistics()

    def add(self, chunk: Chunk) -> None:
        """Write and count one more chunk."""
        kept = self._kept(chunk.pieces)
        self._count(chunk.pieces, kept)
        self._statistics += _statistics(chunk, kept)
        owners = np.repeat(np.arange(len(chunk.pieces)), [piece.windows for piece in chunk.pieces])
        for split in SPLITS:
            mine = kept & np.array([piece.split == split for piece in chunk.pieces], np.bool_)
            rows = np.flatnonzero(mine[owners])
            new = self._windows[split].add(chunk.digests[rows]) if self._dedupe else np.ones(len(rows), np.bool_)
            self.writer.add(split, chunk.events[rows[new]])
            self.report.windows[split] += int(new.sum())
            self.report.duplicates[split] += int((~new).sum())

    def finished(self) -> Report:
        """The report on all chunks."""
        self.report.skipped = Counter(dict(sorted(self.report.skipped.items())))
        self.report.examples = dict(sorted(self.report.examples.items()))
        self.report.pieces = {split: len(seen) for split, seen in self._pieces.items()}
        self.report.statistics = self._statistics.to_dict()
        return self.report

    def _kept(self, pieces: list[Piece]) -> NDArray[np.bool_]:
        """Which pieces (P,) were read and are no copy, byte for byte, of one before in their split."""
        kept = np.array([bool(piece.content) for piece in pieces], np.bool_)
        for split in SPLITS:
            mine = [index for index, piece in enumerate(pieces) if piece.split == split and piece.content]
            contents = bytes.fromhex("".join(pieces[index].content for index in mine))
            kept[mine] = self._contents[split].add(_keys(contents))
        return kept

    def _count(self, pieces: list[Piece], kept: NDArray[np.bool_]) -> None:
        self.report.files += len(pieces)
        for split, seen in self._pieces.items():
            mine = [
                p.fingerprint for p, keep in zip(pieces, kept, strict=True) if keep and p.windows and p.split == split
            ]
            seen.add(np.repeat(np.array(mine, np.uint64), 2).reshape(-1, 2) | FILLED)
        for piece, keep in zip(pieces, kept.tolist(), strict=True):
            self.report.skip(piece, piece.skipped if keep or piece.error else {REPEATED: 1})


def _statistics(chunk: Chunk, kept: NDArray[np.bool_]) -> Statistics:
    """Those of the pieces kept (P,)."""
    metres: Counter[str] = Counter()
    for piece, keep in zip(chunk.pieces, kept.tolist(), strict=True):
        if keep:
            metres.update(piece.metres)
    return Statistics(chunk.counts[kept].sum(axis=0), metres)


def _keys(data: bytes) -> NDArray[np.uint64]:
    """Bytes, 16 for each, as digests (N, 2)."""
    return np.frombuffer(data, np.uint64).reshape(-1, 2) | FILLED
