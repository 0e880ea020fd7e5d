"""Melodies as 90 classes per step: no event, note off, and a note-on for each of the piano's 88 keys.

The representation of MusicVAE (Roberts et al. 2018, section 4.1; Magenta's OneHotMelodyConverter) without its limits: a
note held over the start of a window is struck again, nothing is capped per file, and what is written can be read back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musevae.music import grid, lines
from musevae.music.lines import FIRST_NOTE as FIRST_NOTE
from musevae.music.lines import NO_EVENT as NO_EVENT
from musevae.music.lines import NOTE_OFF as NOTE_OFF
from musevae.music.note_sequence import DEFAULT_QPM, NoteSequence
from musevae.music.representation import Representation, listed, named_track
from musevae.music.windows import Array


@dataclass(frozen=True)
class MelodyRepresentation(Representation):
    """Windows of `bars` bars as events (T,): 0 no event, 1 note off, 2 + k note-on of pitch `min_pitch` + k.

    A tune is read from the track with most notes of those that are melodies, or from the one chosen (whatever its
    share of chords, the highest note wins).
    """

    min_pitch: int = 21
    max_pitch: int = 108
    max_chord_share: float = 0.1  # a track with a greater share of its onsets in chords is no melody
    name: ClassVar[str] = "melody"
    pitched: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.min_pitch <= self.max_pitch <= 127:
            raise ValueError(f"pitches {self.min_pitch}..{self.max_pitch} are not a range within 0..127")

    @property
    def dtype(self) -> type[np.generic]:
        """Of events, in windows and in shards."""
        return np.uint8

    @property
    def classes(self) -> int:
        """Number of event classes, V."""
        return FIRST_NOTE + self.max_pitch - self.min_pitch + 1

    def from_events(self, events: ArrayLike, *, qpm: float = DEFAULT_QPM) -> NoteSequence:
        """The notes of events (T,) of any length; a note still sounding at the end lasts to the end."""
        tokens = self._checked(events)
        changes = np.flatnonzero(tokens != NO_EVENT)
        ends = np.append(changes[1:], len(tokens))
        struck = tokens[changes] != NOTE_OFF
        pitch = tokens[changes][struck] - FIRST_NOTE + self.min_pitch
        return self._written(pitch, changes[struck], ends[struck], len(tokens), qpm)

    def onsets(self, tokens: Array) -> Array:
        """Which tokens strike a note; any shape, arrays and tensors alike."""
        struck: Array = tokens >= FIRST_NOTE
        return struck

    def at_lowest(self, events: NDArray[Any]) -> NDArray[Any]:
        """Windows (N, T), the lowest note of each moved to `min_pitch` and the others with it."""
        return lines.lowered(events)

    def sounding(self, events: NDArray[Any]) -> NDArray[Any]:
        """The note-on token of what sounds at each step, or NO_EVENT."""
        return lines.sounding(events)

    def part(self, notes: NoteSequence, region: grid.Region) -> lines.Line:
        """The line that the notes are in a region."""
        return lines.line(notes, region, self.steps_per_quarter, self.min_pitch)

    def chord_share(self, sequence: NoteSequence) -> float:
        """Share of the onset steps of a track at which two notes sound together."""
        if not len(sequence):
            return 0.0
        start = grid.quantize(sequence.start, self.steps_per_quarter)
        begins = np.append(True, start[1:] != start[:-1])  # which notes begin a new step; starts are in order
        together = ~begins[1:] & (sequence.start[1:] < sequence.end[:-1])
        step = np.cumsum(begins)
        return float(np.count_nonzero(np.bincount(step[1:][together])) / step[-1])

    def is_playable(self, sequence: NoteSequence) -> NDArray[np.bool_]:
        """Which notes tokens can say."""
        inside = (sequence.pitch >= self.min_pitch) & (sequence.pitch <= self.max_pitch)
        return inside & ~sequence.is_drum & (sequence.velocity > 0)

    def pieces(self, sequence: NoteSequence, skipped: Counter[str]) -> Iterator[NoteSequence]:
        """The notes of each track that is a melody; counts the other tracks."""
        for track in sequence.tracks().values():
            playable = self.is_playable(track)
            notes = track if playable.all() else track.select(playable)
            if not len(notes):
                skipped["drums" if track.is_drum.any() else "out of range"] += 1
            elif self.chord_share(notes) > self.max_chord_share:
                skipped["chords"] += 1
            else:
                yield notes

    def tune(self, sequence: NoteSequence, track: int | str | None) -> NoteSequence:
        """The notes of the melody with most of them, or of the track chosen; ValueError where there are none."""
        if track is not None:
            return self._chosen_track(sequence, track)
        skipped: Counter[str] = Counter()
        candidates = list(self.pieces(sequence, skipped))
        if not candidates:
            raise ValueError(f"no track is a melody (tracks left out: {listed(skipped)}): choose one with --track")
        return max(candidates, key=len)

    def _chosen_track(self, sequence: NoteSequence, track: int | str) -> NoteSequence:
        chosen = named_track(sequence, track)
        notes = chosen.select(self.is_playable(chosen))
        if not len(notes):
            raise ValueError(f"track {track!r} has no melodic note between pitch {self.min_pitch} and {self.max_pitch}")
        return notes
