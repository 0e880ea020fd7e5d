"""Windows of a piece: cut from its events with a hop of one bar, and joined over its stretches."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_BARS = 10_000  # of a piece: beyond, a time in the file is a mistake

Steps = NDArray[np.int64]
Array = TypeVar("Array", bound="SupportsOnsets")


class SupportsOnsets(Protocol):
    """An array or a tensor, as far as onsets need it; music/ knows no torch."""

    def __gt__(self, other: int, /) -> Any: ...  # noqa: ANN401

    def __ge__(self, other: int, /) -> Any: ...  # noqa: ANN401

    def __getitem__(self, key: Any, /) -> Any: ...  # noqa: ANN401

    def __setitem__(self, key: Any, value: Any, /) -> None: ...  # noqa: ANN401


class Windows(NamedTuple):
    """Windows cut from a piece, and what was left out on the way."""

    events: NDArray[Any]  # (N, T, ...)
    bars: Steps  # (N,) number of each window's first bar, the piece's first being 1
    skipped: Counter[str]  # reason -> count of tracks, stretches or windows


class Part(Protocol):
    """What is played in a region of a piece; windows are cut from it."""

    @property
    def span(self) -> tuple[int, int] | None:
        """The first step at which anything sounds and the one after the last, from the region's start."""

    def events(self, first: int, steps: int) -> NDArray[Any]:
        """Events (S, ...) of `steps` steps from step `first` on; what is held there from before is struck again."""


def cut(events: NDArray[Any], sounding: NDArray[Any], heads: Steps, steps: int) -> NDArray[Any]:
    """The windows (N, T, ...) of `steps` steps that begin at `heads` (N,) of events (S, ...).

    `sounding` (S, ...) is what a window that begins at each step begins with, so that a held note is struck again.
    """
    windows: NDArray[Any] = events[heads[:, None] + np.arange(steps)]
    windows[:, 0] = sounding[heads]
    return windows


def join(parts: list[Windows], shape: tuple[int, ...], dtype: type[np.generic]) -> Windows:
    """All windows one after another; of no parts, arrays of length 0 of windows of that shape and type."""
    return Windows(
        np.concatenate([np.empty((0, *shape), dtype), *(part.events for part in parts)]),
        np.concatenate([np.empty(0, np.int64), *(part.bars for part in parts)]),
        sum((part.skipped for part in parts), Counter()),
    )
