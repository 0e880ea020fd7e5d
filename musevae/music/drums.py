"""Drums as hits of 9 classes of instruments per step, or of 61 single ones.

The representation of MusicVAE's drum models (Roberts et al. 2018, section 4.1; Magenta's DrumsConverter): a step is
one of 512 classes, the sum of 2^k over the classes k struck in it, or, for a NADE, one bit for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musevae.music import grid
from musevae.music.note_sequence import DEFAULT_QPM, NoteSequence
from musevae.music.representation import Representation, named_track
from musevae.music.windows import Array, Steps

REDUCED = (  # pitches of General MIDI and of Roland's kits; the first of each class is the one written
    (36, 35),  # kick
    (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),  # snare
    (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),  # closed hi-hat
    (46, 67, 72, 74, 79, 81, 26),  # open hi-hat
    (45, 29, 41, 43, 61, 64, 84),  # low tom
    (48, 47, 60, 63, 77, 86, 87),  # mid tom
    (50, 30, 62, 76, 83),  # high tom
    (49, 52, 55, 57, 58),  # crash
    (51, 53, 59, 82),  # ride
)
ROLAND = {42: 22, 46: 26}  # what Roland's kits play at the edge of a hi-hat; Magenta drops it where pitches are single
FULL = tuple(
    (pitch, ROLAND[pitch]) if pitch in ROLAND else (pitch,)
    for pitches in REDUCED
    for pitch in pitches
    if pitch not in ROLAND.values()
)
KITS = {len(kit): kit for kit in (REDUCED, FULL)}
UNKNOWN = -1


def _class_of_pitch(kit: tuple[tuple[int, ...], ...]) -> Steps:
    table = np.full(128, UNKNOWN, np.int64)
    for number, pitches in enumerate(kit):
        table[list(pitches)] = number
    return table


CLASS_OF_PITCH = {size: _class_of_pitch(kit) for size, kit in KITS.items()}  # (128,) each


class Hits(NamedTuple):
    """What a kit plays in a region, one row a hit; two hits of one class on one step are one."""

    step: Steps  # (N,)
    drum: Steps  # (N,) class of instrument
    drum_classes: int
    bits: bool

    @property
    def span(self) -> tuple[int, int] | None:
        """The step of the first hit and the one after the last; None without a hit."""
        return (int(self.step.min()), int(self.step.max()) + 1) if len(self.step) else None

    def events(self, first: int, steps: int) -> NDArray[Any]:
        """Events (S,) or bits (S, D) from step `first` on."""
        inside = (self.step >= first) & (self.step < first + steps)
        bits = np.zeros((steps, self.drum_classes), np.uint8)
        bits[self.step[inside] - first, self.drum[inside]] = 1
        return bits if self.bits else packed(bits).astype(np.uint16)


def packed(bits: NDArray[Any]) -> Steps:
    """The sum of 2^k over the bits k that are set: (..., D) -> (...)."""
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[-1], dtype=np.int64))


@dataclass(frozen=True)
class DrumsRepresentation(Representation):
    """Windows of `bars` bars as events (T,), class 0 (silence) to 511, or as `bits` (T, D), for 9 or 61 classes.

    A piece is all that drums play in it, whatever the track; a hit lasts one step, what the pitch of no class plays is
    left out.
    """

    drum_classes: int = len(REDUCED)
    bits: bool = False
    name: ClassVar[str] = "drums"
    pitched: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.drum_classes not in KITS:
            raise ValueError(f"drum_classes is {self.drum_classes}; it must be {' or '.join(map(str, KITS))}")
        if self.drum_classes != len(REDUCED) and not self.bits:
            raise ValueError(f"{self.drum_classes} drum classes have 2^{self.drum_classes} combinations: set bits=true")

    @property
    def dtype(self) -> type[np.generic]:
        """Of events, in windows and in shards."""
        return np.uint8 if self.bits else np.uint16

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one window's events."""
        return (self.steps, self.drum_classes) if self.bits else (self.steps,)

    @property
    def classes(self) -> int:
        """How many values an event can take, V: 512; a bit 2."""
        return 2 if self.bits else 2**self.drum_classes

    def from_events(self, events: ArrayLike, *, qpm: float = DEFAULT_QPM) -> NoteSequence:
        """The hits of events (T,) or (T, D) of any length, one step long, of each class the first pitch."""
        checked = self._checked(events)
        step, drum = np.nonzero(checked if self.bits else checked[:, None] >> np.arange(self.drum_classes) & 1)
        pitches = np.array([pitches[0] for pitches in KITS[self.drum_classes]], np.uint8)
        return self._written(pitches[drum], step, step + 1, len(checked), qpm, is_drum=True)

    def tokens(self, events: NDArray[Any]) -> NDArray[Any]:
        """What accuracy compares, one integer a step: events (..., T) themselves, bits (..., T, D) packed."""
        return packed(events) if self.bits else events

    def onsets(self, tokens: Array) -> Array:
        """Which tokens are no silence; any shape, arrays and tensors alike."""
        struck: Array = tokens > 0
        return struck

    def sounding(self, events: NDArray[Any]) -> NDArray[Any]:
        """The events themselves: no hit is held."""
        return events

    def part(self, notes: NoteSequence, region: grid.Region) -> Hits:
        """The hits in a region, in steps from its start."""
        length = np.minimum(region.end, notes.end_time + 1) - region.start
        step = grid.quantize(notes.start - region.start, self.steps_per_quarter)
        inside = (step >= 0) & (step < grid.quantize(np.array(length), self.steps_per_quarter))
        drum = CLASS_OF_PITCH[self.drum_classes][notes.pitch]
        return Hits(step[inside], drum[inside], self.drum_classes, self.bits)

    def is_playable(self, sequence: NoteSequence) -> NDArray[np.bool_]:
        """Which notes are hits of a known class."""
        known: NDArray[np.bool_] = CLASS_OF_PITCH[self.drum_classes][sequence.pitch] != UNKNOWN
        return known & sequence.is_drum & (sequence.velocity > 0)

    def pieces(self, sequence: NoteSequence, skipped: Counter[str]) -> Iterator[NoteSequence]:
        """All hits of the sequence together."""
        hits = sequence.select(self.is_playable(sequence))
        if len(hits):
            yield hits
        else:
            skipped["no drums"] += 1

    def tune(self, sequence: NoteSequence, track: int | str | None) -> NoteSequence:
        """All hits of the tune, or those of the track chosen; ValueError where there are none."""
        hits = sequence.select(self.is_playable(sequence))
        if not len(hits):
            raise ValueError("no drum plays in it: choose a file with notes on MIDI channel 10")
        return hits if track is None else named_track(hits, track, "drum notes")
