"""Monophonic lines as tokens: 0 no event, 1 note off, 2 + k note-on of the k-th pitch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musevae.music import grid
from musevae.music.note_sequence import NoteSequence
from musevae.music.windows import Steps

NO_EVENT = 0
NOTE_OFF = 1
FIRST_NOTE = 2


class Line(NamedTuple):
    """A monophonic line: one row a note, in order of time, none overlapping the next."""

    start: Steps  # (N,) steps
    end: Steps  # (N,) steps
    token: Steps  # (N,) note-on token

    @property
    def span(self) -> tuple[int, int] | None:
        """The step of the first onset and the one after the last that sounds; None without a note."""
        return (int(self.start[0]), int(self.end.max())) if len(self.start) else None

    def events(self, first: int, steps: int) -> NDArray[np.uint8]:
        """Tokens (S,) from step `first` on; a note held there from before is struck again."""
        start, end = self.start - first, self.end - first
        tokens = np.full(steps, NO_EVENT, np.uint8)
        tokens[end[(end >= 0) & (end < steps)]] = NOTE_OFF
        struck = (end > 0) & (start < steps)
        tokens[np.maximum(start[struck], 0)] = self.token[struck]
        return tokens


def line(notes: NoteSequence, region: grid.Region, steps_per_quarter: int, min_pitch: int) -> Line:
    """The notes sounding in a region as a monophonic line, in steps from the region's start."""
    heard = (notes.start < region.end) & (notes.end >= region.start)
    length = np.minimum(region.end, notes.end_time + 1) - region.start
    start, end, limit = (
        grid.quantize(quarters, steps_per_quarter)
        for quarters in (notes.start[heard] - region.start, notes.end[heard] - region.start, np.array(length))
    )
    tokens = FIRST_NOTE + notes.pitch[heard].astype(np.int64) - min_pitch
    whole = monophonic(start, np.minimum(np.maximum(end, start + 1), limit), tokens)
    inside = (whole.end > 0) & (whole.start < limit)
    return Line(*(column[inside] for column in whole))


def monophonic(start: Steps, end: Steps, token: Steps) -> Line:
    """Of notes on the same step the highest stays; a later note cuts the sounding one."""
    order = np.lexsort((-token, start))
    start, end, token = start[order], end[order], token[order]
    first = np.append(True, start[1:] != start[:-1])[: len(start)]
    start, end, token = start[first], end[first], token[first]
    return Line(start, np.minimum(end, np.append(start[1:], np.iinfo(np.int64).max)[: len(end)]), token)


def sounding(tokens: NDArray[Any]) -> NDArray[Any]:
    """The note-on token (S, ...) of the note that sounds at each step of tokens (S, ...), or NO_EVENT."""
    steps = np.arange(len(tokens)).reshape(-1, *(1,) * (tokens.ndim - 1))
    latest = np.maximum.accumulate(np.where(tokens != NO_EVENT, steps, 0), axis=0)
    token = np.take_along_axis(tokens, latest, axis=0)
    return np.where(token >= FIRST_NOTE, token, NO_EVENT).astype(tokens.dtype)


def lowered(tokens: NDArray[Any]) -> NDArray[Any]:
    """Tokens (N, ...) with the notes of each row moved together until the lowest is FIRST_NOTE."""
    highest = np.iinfo(tokens.dtype).max
    struck, axes = tokens >= FIRST_NOTE, tuple(range(1, tokens.ndim))
    lowest = np.where(struck, tokens, highest).min(axis=axes, keepdims=True, initial=highest)
    return np.where(struck, tokens - lowest + FIRST_NOTE, tokens).astype(tokens.dtype)
