"""Drums as hits of 9 classes of instruments per step, or of 61 single ones.

The representation of MusicVAE's drum models (Roberts et al. 2018, section 4.1; Magenta's DrumsConverter): a step is
one of 512 classes, the sum of 2^k over the classes k struck in it, or, for a NADE, one bit for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musevae.music import grid, windows
from musevae.music.note_sequence import DEFAULT_QPM, NoteSequence
from musevae.music.representation import Representation, named_track
from musevae.music.voices import Voices
from musevae.music.windows import Array, Blocks, Steps

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
    """What kits play in a region, one row a hit; two hits of one class on one step are one."""

    kit: NDArray[Any]  # (N,) 0 to size - 1, in order
    step: Steps  # (N,) in order for each kit
    drum: Steps  # (N,) class of instrument
    size: int  # how many kits
    drum_classes: int
    bits: bool

    @property
    def spans(self) -> Steps:
        """The step of each kit's (size, 2) first hit and the one after the last; 0, 0 without a hit."""
        return windows.spans(self.kit, self.step, self.step + 1, self.size)

    def take(self, kits: Steps) -> Hits:
        """These kits (P,) in this order, one as often as it is named."""
        rows, kit = windows.rows_of(self.kit, kits)
        return self._replace(kit=kit, step=self.step[rows], drum=self.drum[rows], size=len(kits))

    def events(self, blocks: Blocks) -> NDArray[Any]:
        """Events (S,) or bits (S, D) of blocks of the kits."""
        low, high = blocks.start[self.kit], blocks.end[self.kit]
        step = self.step + low - blocks.first[self.kit]
        inside = (step >= low) & (step < high)
        bits = np.zeros((blocks.steps, self.drum_classes), np.uint8)
        bits[step[inside], self.drum[inside]] = 1
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

    def sounding(self, events: NDArray[Any], steps: Steps, starts: Steps) -> NDArray[Any]:
        """The events of these steps themselves: no hit is held."""
        found: NDArray[Any] = events[steps]
        return found

    def part(self, columns: Sequence[Voices], region: grid.Region) -> Hits:
        """The hits of each voice in a region, in steps from its start."""
        (voices,) = columns
        step, limit = (
            grid.quantize(quarters - region.start, self.steps_per_quarter)
            for quarters in (voices.start, np.minimum(region.end, voices.end_time + 1))
        )
        rows = np.flatnonzero((step >= 0) & (step < limit))
        drum = CLASS_OF_PITCH[self.drum_classes][voices.pitch[rows]]
        return Hits(voices.voice[rows], step[rows], drum, voices.size, self.drum_classes, self.bits)

    def is_playable(self, sequence: NoteSequence) -> NDArray[np.bool_]:
        """Which notes are hits of a known class."""
        known: NDArray[np.bool_] = CLASS_OF_PITCH[self.drum_classes][sequence.pitch] != UNKNOWN
        return known & sequence.is_drum & (sequence.velocity > 0)

    def voices(self, sequence: NoteSequence, skipped: Counter[str]) -> list[Voices]:
        """All hits of the sequence together."""
        hits = Voices.together(sequence, self.is_playable(sequence))
        skipped["no drums"] += not len(hits.start)
        return [hits]

    def tune(self, sequence: NoteSequence, track: int | str | None) -> list[Voices]:
        """All hits of the tune, or those of the track chosen; ValueError where there are none."""
        hits = sequence.select(self.is_playable(sequence))
        if not len(hits):
            raise ValueError("no drum plays in it: choose a file with notes on MIDI channel 10")
        chosen = hits if track is None else named_track(hits, track, "drum notes")
        return [Voices.together(chosen, np.ones(len(chosen), np.bool_))]
