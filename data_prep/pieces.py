"""What one music file gives, and a chunk of files as bytes: all that a worker does, wherever it runs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.deduplicate import Digests, digests
from data_prep.fingerprint import fingerprint
from data_prep.sources import Source, SourceError
from data_prep.splits import HELD_OUT, split_of
from data_prep.statistics import Statistics
from musevae.music.midi import MidiError, parse_midi
from musevae.music.representation import Representation

CONTENT_BYTES = 16
NOTHING = np.empty(0, np.uint8)
UNFORESEEN = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)  # of a strange file

Tick = Callable[[int], None]  # told how many files of a chunk are done


class TooSlow(Exception):  # noqa: N818 - as TimeoutError, which as an OSError would be taken for a damaged file
    """The time for a file is up."""


@dataclass(frozen=True)
class Recipe:
    """What is done with every file."""

    representation: Representation
    tracks: tuple[str, ...] | None = None
    dedupe: str = "exact"
    held_out: tuple[float, float] = HELD_OUT
    split_seed: int = 0


class Piece(NamedTuple):
    """What one source gave, without its windows."""

    name: str
    split: str = "train"
    content: str = ""  # a hash of the file
    fingerprint: int = 0
    windows: int = 0
    skipped: dict[str, int] = {}  # noqa: RUF012 - never changed; reason -> count of tracks, stretches or windows
    error: str = ""
    metres: dict[str, int] = {}  # noqa: RUF012 - never changed; time signature -> bars


class Gain(NamedTuple):
    """What one source gave, in all."""

    piece: Piece
    events: NDArray[Any]  # (N, ...)
    statistics: Statistics


class Chunk(NamedTuple):
    """What some sources gave."""

    pieces: list[Piece]
    counts: NDArray[np.int64]  # (P, C) Statistics.counts of each
    events: NDArray[Any]  # (N, ...) the windows of one piece after the other
    digests: Digests  # (N, 2) one for all windows that count as one


Reading = Callable[[Source, Recipe], Gain]
Guard = Callable[[], AbstractContextManager[None]]


def read_piece(source: Source, recipe: Recipe, guard: Guard = nullcontext) -> Gain:
    """A source's piece and windows; a file that cannot be read, or not in the guard's time, gives none and says why."""
    try:
        with guard():
            return _read(source, recipe)
    except (MidiError, SourceError, OSError) as error:
        return _failed(source, "unreadable", str(error))
    except TooSlow as error:
        return _failed(source, "too slow", f"{source.name} {error}")
    except UNFORESEEN as error:
        return _failed(source, "failed", f"{source.name}: {type(error).__name__}: {error}: please report it")


def _read(source: Source, recipe: Recipe) -> Gain:
    data = source.read()
    sequence = parse_midi(data, source.name)
    windows = recipe.representation.windows(sequence, tracks=recipe.tracks)
    identity, statistics = fingerprint(sequence), Statistics.of(sequence, windows.events)
    piece = Piece(
        name=source.name,
        split=source.split or split_of(identity, recipe.held_out, recipe.split_seed),
        content=hashlib.blake2b(data, digest_size=CONTENT_BYTES).hexdigest(),
        fingerprint=identity,
        windows=len(windows.events),
        skipped=dict(sorted((+windows.skipped).items())),
        metres=dict(statistics.metres),
    )
    return Gain(piece, windows.events, statistics)


def _failed(source: Source, reason: str, message: str) -> Gain:
    return Gain(Piece(source.name, skipped={reason: 1}, error=message), NOTHING, Statistics())


def read_chunk(
    sources: Sequence[Source], recipe: Recipe, *, read: Reading = read_piece, tick: Tick | None = None
) -> bytes:
    """What sources give, in order, as bytes for `unpacked`; `tick` is told, before each file, how many are done."""
    gains = []
    for done, source in enumerate(sources):
        if tick:
            tick(done)
        gains.append(_failed(source, *source.fault) if source.fault else read(source, recipe))
    nothing = np.empty((0, *recipe.representation.shape), recipe.representation.dtype)
    events = np.concatenate([nothing, *(gain.events for gain in gains if gain.piece.windows)])
    alike = recipe.representation.at_lowest(events) if recipe.dedupe == "transposition" else events
    marks = digests(alike) if recipe.dedupe != "none" else np.empty((0, 2), np.uint64)
    counts = np.stack([gain.statistics.counts for gain in gains])
    return packed(Chunk([gain.piece for gain in gains], counts, events, marks))


def packed(chunk: Chunk) -> bytes:
    """A chunk as bytes, the same for the same chunk."""
    file = io.BytesIO()
    about = json.dumps(chunk.pieces).encode()
    for array in (np.frombuffer(about, np.uint8), chunk.counts, chunk.events, chunk.digests):
        np.save(file, array, allow_pickle=False)
    return file.getvalue()


def unpacked(data: bytes) -> Chunk:
    """What `packed` made bytes of."""
    file = io.BytesIO(data)
    about, counts, events, marks = (np.load(file, allow_pickle=False) for _ in range(4))
    return Chunk([Piece(*fields) for fields in json.loads(about.tobytes())], counts, events, marks)
