"""Melodies as 90 classes per step: no event, note off, and a note-on for each of the piano's 88 keys.

The representation of MusicVAE (Roberts et al. 2018, section 4.1; Magenta's OneHotMelodyConverter) without its limits: a
note held over the start of a window is struck again, nothing is capped per file, and what is written can be read back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musevae.music import grid, lines
from musevae.music.lines import FIRST_NOTE as FIRST_NOTE
from musevae.music.lines import NO_EVENT as NO_EVENT
from musevae.music.lines import NOTE_OFF as NOTE_OFF
from musevae.music.lines import Lines
from musevae.music.note_sequence import DEFAULT_QPM, NoteSequence
from musevae.music.representation import Representation, listed, named_track
from musevae.music.voices import Voices, ranked
from musevae.music.windows import Array, Steps


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

    def sounding(self, events: NDArray[Any], steps: Steps, starts: Steps) -> NDArray[Any]:
        """The note-on token of what sounds at some steps, or NO_EVENT."""
        return lines.sounding(events, steps, starts)

    def part(self, columns: Sequence[Voices], region: grid.Region) -> Lines:
        """The line that each voice is in a region."""
        (voices,) = columns
        return lines.lines(voices, region, self.steps_per_quarter, self.min_pitch)

    def is_playable(self, sequence: NoteSequence) -> NDArray[np.bool_]:
        """Which notes tokens can say."""
        inside = (sequence.pitch >= self.min_pitch) & (sequence.pitch <= self.max_pitch)
        return inside & ~sequence.is_drum & (sequence.velocity > 0)

    def voices(self, sequence: NoteSequence, skipped: Counter[str]) -> list[Voices]:
        """The tracks that are melodies; counts the others."""
        tracks, place = ranked(sequence.track)
        voices = Voices.of(sequence, self.is_playable(sequence), place, len(tracks))
        drums = np.bincount(place[np.flatnonzero(sequence.is_drum)], minlength=len(tracks)) > 0
        silent = voices.sizes() == 0
        chords = voices.chord_shares(self.steps_per_quarter) > self.max_chord_share
        for reason, tracks_left_out in (
            ("drums", silent & drums),
            ("out of range", silent & ~drums),
            ("chords", chords),
        ):
            skipped[reason] += int(np.count_nonzero(tracks_left_out))
        return [voices.keep(~chords)]

    def tune(self, sequence: NoteSequence, track: int | str | None) -> list[Voices]:
        """The notes of the melody with most of them, or of the track chosen; ValueError where there are none."""
        if track is not None:
            return [self._chosen_track(sequence, track)]
        skipped: Counter[str] = Counter()
        (melodies,) = self.voices(sequence, skipped)
        sizes = melodies.sizes()
        if not sizes.any():
            raise ValueError(f"no track is a melody (tracks left out: {listed(skipped)}): choose one with --track")
        return [melodies.keep(np.arange(len(sizes)) == sizes.argmax())]

    def _chosen_track(self, sequence: NoteSequence, track: int | str) -> Voices:
        chosen = named_track(sequence, track)
        notes = Voices.tracks(chosen, self.is_playable(chosen))
        if not notes.size:
            raise ValueError(f"track {track!r} has no melodic note between pitch {self.min_pitch} and {self.max_pitch}")
        return notes
