"""What all representations have in common: which windows a piece and a tune give, and the grid that they lie on.

A representation says which notes may play each column of its events (`voices`, `tune`), what they are in a region
(`part`), and how events become notes again (`from_events`). A piece has one voice for every column, and all pieces of
a file are cut up at once. Bars, metres, padding and the choice of windows are the same for all, and are here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musevae.music import grid
from musevae.music.note_sequence import DEFAULT_QPM, DEFAULT_VELOCITY, NoteSequence, Tempo, TimeSignature
from musevae.music.voices import Voices
from musevae.music.windows import MAX_BARS, MAX_STEPS, Array, Blocks, Cuts, Part, Steps, Windows, any_of, cut, join

# Of pieces end to end: the bars in which each column sounds (bars, C), and the last ones of pieces and one after (P,)
Rule = Callable[
    [NDArray[np.bool_], Steps], NDArray[np.bool_]
]  # -> windows (N,) to take; those over an end do not count


@dataclass(frozen=True)
class Representation(ABC):
    """Windows of `bars` bars of `time_signature`, one event a step."""

    bars: int = 2
    steps_per_quarter: int = 4
    time_signature: tuple[int, int] = (4, 4)
    name: ClassVar[str]
    pitched: ClassVar[int]  # how many leading columns of an event have a pitch, which transposition moves
    left_out: ClassVar[str] = "silent window"  # what a window that training does not take is counted as

    def __post_init__(self) -> None:
        if self.bars < 1:
            raise ValueError(f"bars is {self.bars}; a window has at least 1")
        if len(self.time_signature) != 2:
            raise ValueError(f"{self.time_signature} is not a time signature: write it as 4/4 or 6/8")
        object.__setattr__(self, "time_signature", tuple(self.time_signature))
        _ = self.steps_per_bar  # raises where a bar is no whole number of steps

    @property
    def steps_per_bar(self) -> int:
        """Steps in a bar."""
        return grid.steps_per_bar(self.time_signature, self.steps_per_quarter)

    @property
    def steps(self) -> int:
        """Steps in a window, T."""
        return self.bars * self.steps_per_bar

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one window's events."""
        return (self.steps,)

    @property
    @abstractmethod
    def dtype(self) -> type[np.generic]:
        """Of events, in windows and in shards."""

    @property
    @abstractmethod
    def classes(self) -> int | tuple[int, ...]:
        """How many values an event can take, V; where its columns differ, one number for each."""

    @abstractmethod
    def from_events(self, events: ArrayLike, *, qpm: float = DEFAULT_QPM) -> NoteSequence:
        """The notes of events (T, ...) of any length."""

    @abstractmethod
    def onsets(self, tokens: Array) -> Array:
        """Which tokens strike anything: bool of the same shape, for arrays and tensors alike."""

    @abstractmethod
    def part(self, columns: Sequence[Voices], region: grid.Region) -> Part:
        """What the pieces, every choice of a voice for each column, are in a region."""

    @abstractmethod
    def sounding(self, events: NDArray[Any], steps: Steps, starts: Steps) -> NDArray[Any]:
        """The event (M, ...) with which a window would begin at some steps (M,) of events (S, ...); 0 in silence.

        Pieces begin at `starts` (P,), of which 0 is the first.
        """

    @abstractmethod
    def is_playable(self, sequence: NoteSequence) -> NDArray[np.bool_]:
        """Which notes (N,) events can say."""

    @abstractmethod
    def voices(self, sequence: NoteSequence, skipped: Counter[str]) -> Sequence[Voices]:
        """The voices that training takes for each column of events, or nothing; counts what is left out."""

    @abstractmethod
    def tune(self, sequence: NoteSequence, track: int | str | None) -> Sequence[Voices]:
        """The voice for each column that is meant where one tune is wanted; ValueError, saying why, for want of any."""

    def tokens(self, events: NDArray[Any]) -> NDArray[Any]:
        """What accuracy compares: integers, one for each thing predicted."""
        return events

    def at_lowest(self, events: NDArray[Any]) -> NDArray[Any]:
        """Windows (N, ...) moved down in pitch as far as they go: those alike up to transposition become equal."""
        return events

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Which windows to take: the first is training's; a tune without such a window is read by the next ones."""
        return (self.with_a_note,)

    def with_a_note(self, bars: NDArray[np.bool_], ends: Steps) -> NDArray[np.bool_]:
        """Which windows have a note in any column."""
        return any_of(np.any(bars, axis=1), self.bars)

    def to_events(self, sequence: NoteSequence, *, track: int | str | None = None) -> list[NDArray[Any]]:
        """Every window of a tune, hop one bar, as events (T, ...) each; `from_events` undoes it.

        `track` chooses by index or name. Rests before the first note are kept as far as they fit a window, a short
        tune is padded with rests. Raises ValueError, saying why, when there is no window.
        """
        return list(self.tune_windows(sequence, track=track).events)

    def tune_windows(
        self, sequence: NoteSequence, *, track: int | str | None = None, bar: int | None = None
    ) -> Windows:
        """`to_events` with the number of each window's first bar; with `bar`, the one window that begins there."""
        if not len(sequence):
            raise ValueError("there is no note in it")
        columns = self.tune(sequence, track)
        found = grid.regions(sequence.time_signatures, self.time_signature)
        if not found:
            raise ValueError(
                f"no bar of the tune fits {_written(self.time_signature)}; its metre is {_metres(sequence)}"
            )
        if bar is not None:
            return self._window_at(columns, found, bar)
        parts = [(self.part(columns, region), region) for region in found]
        for padded, rule in product((False, True), self.rules):  # a short stretch, as a pickup of its own metre, last
            cuts = self._join([self._tune_region(part, region, rule, padded) for part, region in parts])
            if len(cuts.events):
                return Windows(cuts.events, cuts.bars, +Counter(metre=self._strange_metres(sequence)))
        raise ValueError(f"no note of it lies in bars of {_written(self.time_signature)}")

    def windows(self, sequence: NoteSequence, *, tracks: Collection[str] | None = None) -> Windows:
        """The training windows of a piece (of the tracks named in `tracks`), hop one bar.

        The piece begins at the bar of its first note and is padded to a whole bar; `skipped` counts what was left out.
        """
        skipped = Counter({"metre": self._strange_metres(sequence), "no notes": int(not len(sequence))})
        found = grid.regions(sequence.time_signatures, self.time_signature)
        chosen = _of_names(sequence, tracks, skipped)
        columns = self.voices(chosen, skipped) if len(chosen) else ()
        parts = [self._piece_region(self.part(columns, at), at, skipped) for at in found] if columns else []
        cuts = self._join(parts) if len(parts) < 2 else self._join(parts).by_piece()
        return Windows(cuts.events, cuts.bars, +skipped)

    def _written(
        self, pitch: NDArray[Any], start: Steps, end: Steps, steps: int, qpm: float, *, is_drum: bool = False
    ) -> NoteSequence:
        """Notes (N,), from step `start` to step `end` each, on the one track of a piece of so many steps."""
        count = len(pitch)
        return NoteSequence(
            pitch=pitch.astype(np.uint8),
            start=start / self.steps_per_quarter,
            end=end / self.steps_per_quarter,
            velocity=np.full(count, DEFAULT_VELOCITY, np.uint8),
            program=np.zeros(count, np.uint8),
            is_drum=np.full(count, is_drum, np.bool_),
            track=np.zeros(count, np.int32),
            end_time=steps / self.steps_per_quarter,
            tempos=(Tempo(0.0, qpm),),
            time_signatures=(TimeSignature(0.0, *self.time_signature),),
        )

    def _checked(self, events: ArrayLike) -> Steps:
        tokens = np.asarray(events)
        shape = ", ".join(map(str, ("T", *self.shape[1:]))) + "," * (len(self.shape) == 1)
        if tokens.shape[1:] != self.shape[1:] or not tokens.ndim or tokens.dtype.kind not in "iu":
            raise ValueError(f"events must be integers ({shape}); these are {tokens.dtype} {tokens.shape}")
        limits = np.atleast_1d(self.classes)
        if not ((tokens >= 0) & (tokens < limits)).all():
            ranges = ", ".join(f"0..{limit - 1}" for limit in limits)
            raise ValueError(f"events must lie in {ranges}; these reach {tokens.min()}..{tokens.max()}")
        return tokens.astype(np.int64)

    def _strange_metres(self, sequence: NoteSequence) -> int:
        """How many stretches of the piece have a metre whose bars do not fit."""
        return sum(not grid.fits(signature, self.time_signature) for signature in sequence.time_signatures)

    def _piece_region(self, part: Part, region: grid.Region, skipped: Counter[str]) -> Cuts:
        first, bars = self._bars_of(part)
        too_long = bars > MAX_BARS
        skipped["too long"] += int(np.count_nonzero(too_long))
        skipped["too short"] += int(np.count_nonzero((bars > 0) & (bars < self.bars)))
        return self._windows(part, region, self.rules[0], first, bars * ~too_long, skipped)

    def _tune_region(self, part: Part, region: grid.Region, rule: Rule, padded: bool) -> Cuts:
        first, bars = self._bars_of(part)
        earlier = np.where(first < self.bars, 0, first)
        most = np.maximum(first + bars - earlier, self.bars) if padded else np.minimum(first + bars - earlier, MAX_BARS)
        return self._windows(part, region, rule, earlier, most * (bars > 0), Counter())

    def _window_at(self, columns: Sequence[Voices], found: list[grid.Region], bar: int) -> Windows:
        region = next((region for region in reversed(found) if region.first_bar <= bar), None)
        if region:
            part, head = self.part(columns, region), bar - region.first_bar
            first, bars = self._bars_of(part)
            heard = head < first + bars
            if heard.any():
                heads = np.full(len(heard), head)
                cuts = self._windows(part, region, self.with_a_note, heads, self.bars * heard, Counter())
                if len(cuts.events):
                    return Windows(cuts.events, cuts.bars, Counter())
        raise ValueError(f"the window at bar {bar} has no note: choose another bar")

    def _bars_of(self, part: Part) -> tuple[Steps, Steps]:
        """The first bar (P,) of each piece with a note, from the region's start, and how many there are to the last."""
        start, end = part.spans.T
        first = np.maximum(start, 0) // self.steps_per_bar
        return first, -(-end // self.steps_per_bar) - first

    def _windows(
        self, part: Part, region: grid.Region, rule: Rule, first: Steps, bars: Steps, skipped: Counter[str]
    ) -> Cuts:
        """The windows of so many bars (P,) of the pieces that the rule keeps, hop one bar; counts the others.

        They begin at bars `first` (P,), counted from the region's start. Of very many steps, so many at once as fit.
        """
        bars = np.where(bars < self.bars, 0, bars)
        group = np.cumsum(bars) * self.steps_per_bar // MAX_STEPS
        groups = sorted(set(group[bars > 0].tolist()))
        chosen = (np.where(group == number, bars, 0) for number in groups)
        return self._join([self._cut(part, region, rule, first, of_group, skipped) for of_group in chosen])

    def _cut(
        self, part: Part, region: grid.Region, rule: Rule, first: Steps, bars: Steps, skipped: Counter[str]
    ) -> Cuts:
        """`_windows` of pieces laid end to end; some may have no bars."""
        ends, filled, steps = np.cumsum(bars), bars > 0, self.steps_per_bar
        begins = ends - bars
        events = part.events(Blocks(first * steps, begins * steps, ends * steps))
        bar_lines = np.arange(0, len(events), steps)
        begun = self.sounding(events, bar_lines, begins[filled] * steps)  # (bars, ...) what each bar begins with
        struck = self.onsets(events).reshape(len(bar_lines), steps, -1).any(axis=1)
        heads = np.flatnonzero(rule(struck | (begun > 0).reshape(len(bar_lines), -1), ends[filled]))
        piece = np.searchsorted(ends, heads, side="right")
        inside = heads + self.bars <= ends[piece]
        heads, piece = heads[inside], piece[inside]
        skipped[self.left_out] += int((bars - self.bars + 1)[filled].sum()) - len(heads)
        windows = cut(events, begun[heads], bar_lines[heads], self.steps)
        return Cuts(windows, region.first_bar + heads + (first - begins)[piece], piece)

    def _join(self, parts: list[Cuts]) -> Cuts:
        return join(parts, self.shape, self.dtype)


def _of_names(sequence: NoteSequence, names: Collection[str] | None, skipped: Counter[str]) -> NoteSequence:
    """The notes on tracks of these names, of all for None; counts the other tracks."""
    if names is None:
        return sequence
    others = [index for index in np.unique(sequence.track) if sequence.track_name(int(index)) not in names]
    skipped["track not chosen"] += len(others)
    return sequence.select(~np.isin(sequence.track, others))


def named_track(sequence: NoteSequence, track: int | str, kind: str = "notes") -> NoteSequence:
    """The notes of one track, by index or name; ValueError, listing those there are, where it has none."""
    present = [int(index) for index in np.unique(sequence.track)]
    named = {sequence.track_name(index): index for index in reversed(present)}
    index = named.get(str(track), int(track) if str(track).isdecimal() else None)
    if index not in present:
        tracks = ", ".join(f"{index} {sequence.track_name(index)}".strip() for index in present)
        raise ValueError(f"there are no {kind} on track {track!r}; the tracks with {kind} are: {tracks or 'none'}")
    return sequence.select(sequence.track == index)


def listed(skipped: Counter[str]) -> str:
    """Reasons and counts in one line."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted((+skipped).items()))


def _written(time_signature: tuple[int, int]) -> str:
    return "{}/{}".format(*time_signature)


def _metres(sequence: NoteSequence) -> str:
    return ", ".join(dict.fromkeys(_written(signature[1:]) for signature in sequence.time_signatures)) or "unknown"
