"""Melodies as 90 classes per step: no event, note off, and a note-on for each of the piano's 88 keys.

The representation of MusicVAE (Roberts et al. 2018, section 4.1; Magenta's OneHotMelodyConverter) without its limits: a
note held over the start of a window is struck again, nothing is capped per file, and what is written can be read back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from musevae.music import grid
from musevae.music.note_sequence import DEFAULT_QPM, DEFAULT_VELOCITY, NoteSequence, Tempo, TimeSignature

NO_EVENT = 0
NOTE_OFF = 1
FIRST_NOTE = 2
MAX_BARS = 10_000  # of a piece: beyond, a time in the file is a mistake

Events = NDArray[np.uint8]
Steps = NDArray[np.int64]


class Line(NamedTuple):
    """A monophonic line: one row a note, in order of time, none overlapping the next."""

    start: Steps  # (N,) steps
    end: Steps  # (N,) steps
    pitch: Steps  # (N,)


class Windows(NamedTuple):
    """Windows cut from a piece, and what was left out on the way."""

    events: Events  # (N, T)
    bars: Steps  # (N,) number of each window's first bar, the piece's first being 1
    skipped: Counter[str]  # reason -> count of tracks, stretches or windows


@dataclass(frozen=True)
class MelodyRepresentation:
    """Windows of `bars` bars as events (T,): 0 no event, 1 note off, 2 + k note-on of pitch `min_pitch` + k."""

    bars: int = 2
    steps_per_quarter: int = 4
    time_signature: tuple[int, int] = (4, 4)
    min_pitch: int = 21
    max_pitch: int = 108
    max_chord_share: float = 0.1  # a track with a greater share of its onsets in chords is no melody
    name: ClassVar[str] = "melody"
    dtype: ClassVar[type[np.generic]] = np.uint8

    def __post_init__(self) -> None:
        if self.bars < 1:
            raise ValueError(f"bars is {self.bars}; a window has at least 1")
        if not 0 <= self.min_pitch <= self.max_pitch <= 127:
            raise ValueError(f"pitches {self.min_pitch}..{self.max_pitch} are not a range within 0..127")
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
    def classes(self) -> int:
        """Number of event classes, V."""
        return FIRST_NOTE + self.max_pitch - self.min_pitch + 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one window's events."""
        return (self.steps,)

    def to_events(self, sequence: NoteSequence, *, track: int | str | None = None) -> list[Events]:
        """Every window with a note, hop one bar, as events (T,) each; `from_events` undoes it.

        The track is the one with most notes of those that are melodies, or the one `track` names (index or name; any
        share of chords, the highest note wins). Rests before the first note are kept as far as they fit a window, a
        short tune is padded with rests. Raises ValueError, saying why, when there is no window.
        """
        return list(self.tune_windows(sequence, track=track).events)

    def tune_windows(
        self, sequence: NoteSequence, *, track: int | str | None = None, bar: int | None = None
    ) -> Windows:
        """`to_events` with the number of each window's first bar; with `bar`, the one window that begins there."""
        notes = self._melody_track(sequence, track)
        found = grid.regions(sequence.time_signatures, self.time_signature)
        if not found:
            raise ValueError(
                f"no bar of the tune fits {_written(self.time_signature)}; its metre is {_metres(sequence)}"
            )
        if bar is not None:
            return self._window_at(notes, found, bar)
        for padded in (False, True):  # a short stretch, as a pickup of its own metre, is read if there is nothing else
            windows = self._join([self._tune_region(notes, region, padded) for region in found])
            if len(windows.events):
                return windows._replace(skipped=+Counter(metre=self._strange_metres(sequence)))
        raise ValueError(f"no note of it lies in bars of {_written(self.time_signature)}")

    def from_events(self, events: ArrayLike, *, qpm: float = DEFAULT_QPM) -> NoteSequence:
        """The notes of events (T,) of any length; a note still sounding at the end lasts to the end."""
        tokens = self._checked(events)
        changes = np.flatnonzero(tokens != NO_EVENT)
        ends = np.append(changes[1:], len(tokens))
        struck = tokens[changes] != NOTE_OFF
        start, end = changes[struck] / self.steps_per_quarter, ends[struck] / self.steps_per_quarter
        count = len(start)
        return NoteSequence(
            pitch=(tokens[changes][struck] - FIRST_NOTE + self.min_pitch).astype(np.uint8),
            start=start,
            end=end,
            velocity=np.full(count, DEFAULT_VELOCITY, np.uint8),
            program=np.zeros(count, np.uint8),
            is_drum=np.zeros(count, np.bool_),
            track=np.zeros(count, np.int32),
            end_time=len(tokens) / self.steps_per_quarter,
            tempos=(Tempo(0.0, qpm),),
            time_signatures=(TimeSignature(0.0, *self.time_signature),),
        )

    def windows(self, sequence: NoteSequence, *, tracks: Collection[str] | None = None) -> Windows:
        """The training windows of a piece: of every melody track (or those named in `tracks`), hop one bar.

        The piece begins at the bar of its first note and is padded to a whole bar; `skipped` counts what was left out.
        """
        skipped: Counter[str] = Counter()
        found = grid.regions(sequence.time_signatures, self.time_signature)
        skipped["metre"] += self._strange_metres(sequence)
        melodies = self._melody_tracks(sequence, tracks, skipped)
        windows = self._join([self._piece_region(notes, region, skipped) for notes in melodies for region in found])
        return windows._replace(skipped=+skipped)

    def onsets(self, events: NDArray[Any]) -> NDArray[np.bool_]:
        """Which events strike a note; any shape, arrays and tensors alike."""
        return events >= FIRST_NOTE

    def chord_share(self, sequence: NoteSequence) -> float:
        """Share of the onset steps of a track at which two notes sound together."""
        if not len(sequence):
            return 0.0
        start = grid.quantize(sequence.start, self.steps_per_quarter)
        together = (start[1:] == start[:-1]) & (sequence.start[1:] < sequence.end[:-1])
        return float(len(np.unique(start[1:][together])) / len(np.unique(start)))

    def _checked(self, events: ArrayLike) -> Steps:
        tokens = np.asarray(events)
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise ValueError(f"events must be integers (T,); these are {tokens.dtype} {tokens.shape}")
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.classes:
            raise ValueError(f"events must lie in 0..{self.classes - 1}; these reach {tokens.min()}..{tokens.max()}")
        return tokens.astype(np.int64)

    def _strange_metres(self, sequence: NoteSequence) -> int:
        """How many stretches of the piece have a metre whose bars do not fit."""
        return sum(not grid.fits(signature, self.time_signature) for signature in sequence.time_signatures)

    def _playable(self, sequence: NoteSequence) -> NoteSequence:
        inside = (sequence.pitch >= self.min_pitch) & (sequence.pitch <= self.max_pitch)
        return sequence.select(inside & ~sequence.is_drum & (sequence.velocity > 0))

    def _melody_tracks(
        self, sequence: NoteSequence, names: Collection[str] | None, skipped: Counter[str]
    ) -> Iterator[NoteSequence]:
        if not len(sequence):
            skipped["no notes"] += 1
        for index in np.unique(sequence.track):
            track = sequence.select(sequence.track == index)
            notes = self._playable(track)
            if names is not None and _track_name(sequence, int(index)) not in names:
                skipped["track not chosen"] += 1
            elif not len(notes):
                skipped["drums" if track.is_drum.any() else "out of range"] += 1
            elif self.chord_share(notes) > self.max_chord_share:
                skipped["chords"] += 1
            else:
                yield notes

    def _melody_track(self, sequence: NoteSequence, track: int | str | None) -> NoteSequence:
        if not len(sequence):
            raise ValueError("there is no note in it")
        if track is not None:
            return self._chosen_track(sequence, track)
        skipped: Counter[str] = Counter()
        candidates = list(self._melody_tracks(sequence, None, skipped))
        if not candidates:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
            raise ValueError(f"no track is a melody (tracks left out: {reasons}): choose one with --track")
        return max(candidates, key=len)

    def _chosen_track(self, sequence: NoteSequence, track: int | str) -> NoteSequence:
        present = [int(index) for index in np.unique(sequence.track)]
        named = {_track_name(sequence, index): index for index in reversed(present)}
        index = named.get(str(track), int(track) if str(track).isdecimal() else None)
        if index not in present:
            listed = ", ".join(f"{index} {_track_name(sequence, index)}".strip() for index in present)
            raise ValueError(f"there are no notes on track {track!r}; the tracks with notes are: {listed}")
        notes = self._playable(sequence.select(sequence.track == index))
        if not len(notes):
            raise ValueError(f"track {track!r} has no melodic note between pitch {self.min_pitch} and {self.max_pitch}")
        return notes

    def _line(self, notes: NoteSequence, region: grid.Region) -> Line:
        """The notes sounding in a region as a monophonic line, in steps from the region's start."""
        sounding = notes.select((notes.start < region.end) & (notes.end >= region.start))
        length = np.minimum(region.end, notes.end_time + 1) - region.start
        start, end, limit = (
            grid.quantize(quarters, self.steps_per_quarter)
            for quarters in (sounding.start - region.start, sounding.end - region.start, np.array(length))
        )
        line = monophonic(start, np.minimum(np.maximum(end, start + 1), limit), sounding.pitch.astype(np.int64))
        inside = (line.end > 0) & (line.start < limit)
        return Line(*(column[inside] for column in line))

    def _piece_region(self, notes: NoteSequence, region: grid.Region, skipped: Counter[str]) -> Windows:
        line = self._line(notes, region)
        if not len(line.start):
            return self._join([])
        first, last = self._bar_range(line)
        if last - first < self.bars:
            skipped["too short"] += 1
        if last - first > MAX_BARS:
            skipped["too long"] += 1
            return self._join([])
        return self._windows(line, region, first, last, skipped)

    def _tune_region(self, notes: NoteSequence, region: grid.Region, padded: bool) -> Windows:
        line = self._line(notes, region)
        if not len(line.start):
            return self._join([])
        first, last = self._bar_range(line)
        first = 0 if first < self.bars else first
        last = max(last, first + self.bars) if padded else min(last, first + MAX_BARS)
        return self._windows(line, region, first, last, Counter())

    def _window_at(self, notes: NoteSequence, found: list[grid.Region], bar: int) -> Windows:
        region = next((region for region in reversed(found) if region.first_bar <= bar), None)
        line = self._line(notes, region) if region else None
        if region and line and len(line.start) and bar - region.first_bar < self._bar_range(line)[1]:
            first = bar - region.first_bar
            windows = self._windows(line, region, first, first + self.bars, Counter())
            if len(windows.events):
                return windows
        raise ValueError(f"the window at bar {bar} has no note: choose another bar")

    def _bar_range(self, line: Line) -> tuple[int, int]:
        return max(0, int(line.start[0])) // self.steps_per_bar, -(-int(line.end.max()) // self.steps_per_bar)

    def _windows(self, line: Line, region: grid.Region, first: int, last: int, skipped: Counter[str]) -> Windows:
        """Windows of bars `first` to `last`, counted from the region's start; hop one bar, none without a note."""
        if last - first < self.bars:
            return self._join([])
        line = Line(line.start - first * self.steps_per_bar, line.end - first * self.steps_per_bar, line.pitch)
        events = self._tokens(line, (last - first) * self.steps_per_bar)
        heads = np.arange(last - first - self.bars + 1) * self.steps_per_bar
        cut = sliding_window_view(events, self.steps)[heads].copy()
        cut[:, 0] = self._heads(line, events, heads)
        sounding = (cut >= FIRST_NOTE).any(axis=1)
        skipped["silent window"] += int((~sounding).sum())
        return Windows(cut[sounding], (region.first_bar + first + heads // self.steps_per_bar)[sounding], skipped)

    def _join(self, parts: list[Windows]) -> Windows:
        """All windows one after another; of no parts, arrays of length 0."""
        events = np.concatenate([np.empty((0, self.steps), np.uint8), *(part.events for part in parts)])
        return Windows(events, np.concatenate([np.empty(0, np.int64), *(part.bars for part in parts)]), Counter())

    def _tokens(self, line: Line, steps: int) -> Events:
        """Events (steps,) of a line from step 0 on; what lies outside is left out."""
        events = np.full(steps, NO_EVENT, np.uint8)
        events[line.end[(line.end >= 0) & (line.end < steps)]] = NOTE_OFF
        struck = (line.start >= 0) & (line.start < steps)
        events[line.start[struck]] = FIRST_NOTE + line.pitch[struck] - self.min_pitch
        return events

    def _heads(self, line: Line, events: Events, heads: Steps) -> Events:
        """First token of the window at each of `heads`: the sounding note is struck again, a note-off means nothing."""
        index = np.searchsorted(line.start, heads, "right") - 1
        sounding = (index >= 0) & (line.end[index] > heads)
        return np.where(sounding, FIRST_NOTE + line.pitch[index] - self.min_pitch, NO_EVENT).astype(events.dtype)


def monophonic(start: Steps, end: Steps, pitch: Steps) -> Line:
    """Of notes on the same step the highest stays; a later note cuts the sounding one."""
    order = np.lexsort((-pitch, start))
    start, end, pitch = start[order], end[order], pitch[order]
    first = np.append(True, start[1:] != start[:-1])[: len(start)]
    start, end, pitch = start[first], end[first], pitch[first]
    return Line(start, np.minimum(end, np.append(start[1:], np.iinfo(np.int64).max)[: len(end)]), pitch)


def _track_name(sequence: NoteSequence, index: int) -> str:
    return sequence.track_names[index] if index < len(sequence.track_names) else ""


def _written(time_signature: tuple[int, int]) -> str:
    return "{}/{}".format(*time_signature)


def _metres(sequence: NoteSequence) -> str:
    return ", ".join(dict.fromkeys(_written(signature[1:]) for signature in sequence.time_signatures)) or "unknown"
