"""Monophonic lines as tokens: 0 no event, 1 note off, 2 + k note-on of the k-th pitch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musevae.music import grid, windows
from musevae.music.voices import Voices
from musevae.music.windows import Blocks, Steps

NO_EVENT = 0
NOTE_OFF = 1
FIRST_NOTE = 2
NEVER = np.iinfo(np.int64).max
LOW_BITS = 32  # of a number that ranks notes by token, then by place


class Lines(NamedTuple):
    """Monophonic lines one after the other: one row a note, each line's in order of time, none overlapping the next."""

    line: NDArray[Any]  # (N,) 0 to size - 1, in order
    start: Steps  # (N,) steps
    end: Steps  # (N,) steps
    token: Steps  # (N,) note-on token
    size: int  # how many lines

    @property
    def spans(self) -> Steps:
        """The step of each line's (size, 2) first onset and the one after its last that sounds; 0, 0 without a note."""
        return windows.spans(self.line, self.start, self.end, self.size)

    def take(self, lines: Steps) -> Lines:
        """These lines (P,) in this order, one as often as it is named."""
        rows, line = windows.rows_of(self.line, lines)
        return Lines(line, self.start[rows], self.end[rows], self.token[rows], len(lines))

    def where(self, mask: NDArray[np.bool_]) -> Lines:
        """The notes where `mask` (N,) is true."""
        if mask.all():
            return self
        return Lines(self.line[mask], self.start[mask], self.end[mask], self.token[mask], self.size)

    def events(self, blocks: Blocks) -> NDArray[np.uint8]:
        """Tokens (S,) of blocks of the lines; a note held at the start of one from before is struck again."""
        low, high = blocks.start[self.line], blocks.end[self.line]
        shift = low - blocks.first[self.line]
        start, end = np.maximum(self.start + shift, low), self.end + shift
        tokens = np.full(blocks.steps, NO_EVENT, np.uint8)
        tokens[end[(end >= low) & (end < high)]] = NOTE_OFF
        struck = (end > low) & (start < high)
        tokens[start[struck]] = self.token[struck]
        return tokens


def lines(voices: Voices, region: grid.Region, steps_per_quarter: int, min_pitch: int) -> Lines:
    """What sounds of each voice in a region as a monophonic line, in steps from the region's start."""
    heard = voices.between(region.start, region.end)
    start, end, limit = (
        grid.quantize(quarters - region.start, steps_per_quarter)
        for quarters in (heard.start, heard.end, np.minimum(region.end, voices.end_time + 1))
    )
    tokens = heard.pitch.astype(np.int64) + (FIRST_NOTE - min_pitch)
    whole = monophonic(heard.voice, start, np.minimum(np.maximum(end, start + 1), limit), tokens, heard.size)
    return whole.where((whole.end > 0) & (whole.start < limit))


def monophonic(line: NDArray[Any], start: Steps, end: Steps, token: Steps, size: int) -> Lines:
    """Of notes (N,) on the same step the highest stays, the first of equals; a later note cuts the sounding one.

    The notes of each line are together, and their starts in order.
    """
    again = (start[1:] == start[:-1]) & (line[1:] == line[:-1])
    if again.any():
        from_behind = np.arange(len(start) - 1, -1, -1)
        best = np.maximum.reduceat((token << LOW_BITS) + from_behind, windows.firsts(again))
        rows = len(start) - 1 - (best & (1 << LOW_BITS) - 1)
        line, start, end, token = line[rows], start[rows], end[rows], token[rows]
    ends = end.copy()
    np.minimum(end[:-1], np.where(line[1:] == line[:-1], start[1:], NEVER), out=ends[:-1])
    return Lines(line, start, ends, token, size)


def sounding(tokens: NDArray[Any], steps: Steps, starts: Steps) -> NDArray[Any]:
    """The note-on token (M,) of the note that sounds at each of some steps (M,) of tokens (S,), or NO_EVENT.

    `starts` (P,), of which 0 is the first, are where pieces begin: nothing sounds on over them.
    """
    changes = tokens != NO_EVENT
    changes[starts] = True
    changed = np.flatnonzero(changes)
    token = tokens[changed[np.searchsorted(changed, steps, side="right") - 1]]
    return np.where(token >= FIRST_NOTE, token, tokens.dtype.type(NO_EVENT))


def lowered(tokens: NDArray[Any]) -> NDArray[Any]:
    """Tokens (N, ...) with the notes of each row moved together until the lowest is FIRST_NOTE."""
    highest = np.iinfo(tokens.dtype).max
    struck, axes = tokens >= FIRST_NOTE, tuple(range(1, tokens.ndim))
    lowest = np.where(struck, tokens, highest).min(axis=axes, keepdims=True, initial=highest)
    return np.where(struck, tokens - lowest + FIRST_NOTE, tokens).astype(tokens.dtype)
