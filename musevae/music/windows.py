"""Windows of pieces: cut, with a hop of one bar, from events that lie end to end, and joined over the stretches."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_BARS = 10_000  # of a piece: beyond, a time in the file is a mistake
MAX_STEPS = 1 << 22  # of all pieces that are laid out at once, or a single piece

Steps = NDArray[np.int64]
Array = TypeVar("Array", bound="SupportsOnsets")


class SupportsOnsets(Protocol):
    """An array or a tensor, as far as onsets need it; music/ knows no torch."""

    def __gt__(self, other: int, /) -> Any: ...  # noqa: ANN401

    def __ge__(self, other: int, /) -> Any: ...  # noqa: ANN401

    def __getitem__(self, key: Any, /) -> Any: ...  # noqa: ANN401

    def __setitem__(self, key: Any, value: Any, /) -> None: ...  # noqa: ANN401


class Windows(NamedTuple):
    """Windows cut from a file, and what was left out on the way."""

    events: NDArray[Any]  # (N, T, ...)
    bars: Steps  # (N,) number of each window's first bar, the piece's first being 1
    skipped: Counter[str]  # reason -> count of tracks, stretches or windows


class Cuts(NamedTuple):
    """Windows, and the pieces that they were cut from."""

    events: NDArray[Any]  # (N, T, ...)
    bars: Steps  # (N,) number of each window's first bar, the piece's first being 1
    piece: Steps  # (N,) number of the piece

    def by_piece(self) -> Cuts:
        """The same, those of each piece together."""
        order = np.argsort(self.piece, kind="stable")
        return Cuts(*(column[order] for column in self))


class Blocks(NamedTuple):
    """Where on one axis of steps pieces lie end to end, a block each; some may have no steps."""

    first: Steps  # (P,) the step of its piece with which each begins
    start: Steps  # (P,) where it begins on the axis
    end: Steps  # (P,) where it ends there

    @property
    def steps(self) -> int:
        """Of all blocks together, S."""
        return int(self.end[-1]) if len(self.end) else 0


class Part(Protocol):
    """What pieces play in a region of the file; windows are cut from it."""

    @property
    def spans(self) -> Steps:
        """The first step of each piece (P, 2) at which anything sounds and the one after the last; 0, 0 in silence."""

    def events(self, blocks: Blocks) -> NDArray[Any]:
        """Events (S, ...) of the blocks of all pieces; what is held at the start of one from before is struck again."""


def rows_of(number: NDArray[Any], chosen: Steps) -> tuple[Steps, Steps]:
    """The rows (N,) of the numbers chosen (P,), in that order, where rows are sorted by number; and 0 to P - 1 (N,)."""
    first, last = (np.searchsorted(number, chosen, side=side) for side in ("left", "right"))
    sizes = last - first
    place = np.repeat(np.arange(len(chosen)), sizes)
    return np.arange(len(place)) + np.repeat(first - np.cumsum(sizes) + sizes, sizes), place


def spans(number: NDArray[Any], start: Steps, end: Steps, size: int) -> Steps:
    """The first start and the last end (size, 2) of the rows of each number, which are in order; 0, 0 of none."""
    found = np.zeros((size, 2), np.int64)
    found[number[::-1], 0] = start[::-1]  # of several for one place the last stays
    found[number, 1] = end
    return found


def firsts(again: NDArray[np.bool_]) -> Steps:
    """The rows that begin something new, where `again` (N - 1,) tells which of those after the first do not."""
    begin = np.ones(len(again) + 1, np.bool_)
    np.logical_not(again, out=begin[1:])
    return np.flatnonzero(begin)


def any_of(rows: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Whether any of each `width` rows that follow one another is true: of rows (N, ...), N - width + 1."""
    count = len(rows) - width + 1
    found = rows[:count].copy()
    for later in range(1, width):
        found |= rows[later : later + count]
    return found


def cut(events: NDArray[Any], begun: NDArray[Any], heads: Steps, steps: int) -> NDArray[Any]:
    """The windows (N, T, ...) of `steps` steps that begin at `heads` (N,) of events (S, ...).

    Each begins with `begun` (N, ...), what sounds there, so that a held note is struck again.
    """
    windows: NDArray[Any] = events[heads[:, None] + np.arange(steps)]
    windows[:, 0] = begun
    return windows


def join(parts: list[Cuts], shape: tuple[int, ...], dtype: type[np.generic]) -> Cuts:
    """All windows one after another; of no parts, arrays of length 0 of windows of that shape and type."""
    if len(parts) == 1:
        return parts[0]
    nothing = np.empty(0, np.int64)
    return Cuts(
        np.concatenate([np.empty((0, *shape), dtype), *(part.events for part in parts)]),
        np.concatenate([nothing, *(part.bars for part in parts)]),
        np.concatenate([nothing, *(part.piece for part in parts)]),
    )
