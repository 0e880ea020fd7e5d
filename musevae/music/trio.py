"""Trios of melody, bass and drums, told apart by their General MIDI programs: three tokens a step.

The representation of MusicVAE's trio models (Roberts et al. 2018, section 4.1; Magenta's TrioConverter) without its cap
of windows per file: every melody with every bass, over the drums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musevae.music import grid, lines
from musevae.music.drums import DrumsRepresentation, Hits
from musevae.music.lines import FIRST_NOTE, NEVER, Lines
from musevae.music.melody import MelodyRepresentation
from musevae.music.note_sequence import DEFAULT_QPM, NoteSequence, merge
from musevae.music.representation import Representation, Rule, listed, named_track
from musevae.music.voices import Voices, ranked
from musevae.music.windows import Array, Blocks, Part, Steps, any_of

PARTS = ("melody", "bass", "drums")  # in the order of an event's columns
MELODY, BASS, DRUMS = range(len(PARTS))
OTHER = len(PARTS)
WRITTEN_PROGRAMS = (0, 33, 0)  # grand piano, finger bass; where a family lacks its program, the nearest it has


class Trio(NamedTuple):
    """The three parts of pieces in a region, a line or a kit of each for every piece."""

    melody: Lines
    bass: Lines
    drums: Hits

    @property
    def spans(self) -> Steps:
        """The step of each piece's (P, 2) first onset in any part and the one after the last that sounds."""
        parts: Iterable[Part] = self
        spans = np.stack([part.spans for part in parts])  # (3, P, 2)
        heard = spans[..., 1] > spans[..., 0]
        first = np.where(heard, spans[..., 0], NEVER).min(axis=0)
        return np.stack([np.where(heard.any(axis=0), first, 0), spans[..., 1].max(axis=0)], axis=-1)

    def events(self, blocks: Blocks) -> NDArray[np.uint16]:
        """Events (S, 3) of blocks of the pieces; notes held at the start of one from before are struck again."""
        parts: Iterable[Part] = self
        return np.stack([part.events(blocks) for part in parts], axis=-1).astype(np.uint16)


@dataclass(frozen=True)
class TrioRepresentation(Representation):
    """Windows of `bars` bars as events (T, 3): melody and bass tokens as in melodies, class 0 to 511 of the drums.

    A track of programs in `melody_programs` or `bass_programs` (first and last of each) is a melody or a bass; of
    notes that sound together the highest counts. All that drums play is one part, whatever the track.

    Training takes the windows in whose every bar each of the three parts sounds, or does within `gap_bars` bars of it;
    the first and the last `gap_bars` bars of a piece count as if it did. A tune without such a window is read by the
    windows in which each part has a note, one without those by any window with a note, so that what is written can be
    read back. It is the melody and the bass with most notes; `track` chooses the melody, whatever its program.
    """

    bars: int = 16
    min_pitch: int = 21
    max_pitch: int = 108
    melody_programs: tuple[int, int] = (0, 31)
    bass_programs: tuple[int, int] = (32, 39)
    gap_bars: int = 2
    name: ClassVar[str] = "trio"
    pitched: ClassVar[int] = 2
    left_out: ClassVar[str] = "window without a part"

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("melody_programs", "bass_programs"):
            object.__setattr__(self, field, _program_range(field, getattr(self, field)))
        if self.melody_programs[0] <= self.bass_programs[1] and self.bass_programs[0] <= self.melody_programs[1]:
            raise ValueError(f"melody_programs {self.melody_programs} and bass_programs {self.bass_programs} overlap")
        if self.gap_bars < 0:
            raise ValueError(f"gap_bars is {self.gap_bars}; it must be at least 0")
        _ = self._melodic  # raises where the pitches are no range

    @property
    def dtype(self) -> type[np.generic]:
        """Of events, in windows and in shards."""
        return np.uint16

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one window's events."""
        return (self.steps, len(PARTS))

    @property
    def classes(self) -> tuple[int, int, int]:
        """Number of classes of each column, V."""
        return self._melodic.classes, self._melodic.classes, self._kit.classes

    @property
    def _melodic(self) -> MelodyRepresentation:
        """What the columns of melody and bass are."""
        return MelodyRepresentation(
            self.bars, self.steps_per_quarter, self.time_signature, self.min_pitch, self.max_pitch
        )

    @property
    def _kit(self) -> DrumsRepresentation:
        """What the column of the drums is."""
        return DrumsRepresentation(self.bars, self.steps_per_quarter, self.time_signature)

    def from_events(self, events: ArrayLike, *, qpm: float = DEFAULT_QPM) -> NoteSequence:
        """The notes of events (T, 3) of any length: melody, bass and drums on tracks 0, 1 and 2."""
        columns = self._checked(events).T
        readers = (self._melodic, self._melodic, self._kit)
        parts = [reader.from_events(column, qpm=qpm) for reader, column in zip(readers, columns, strict=True)]
        families = (self.melody_programs, self.bass_programs, (0, 0))
        programs = [np.clip(program, *family) for program, family in zip(WRITTEN_PROGRAMS, families, strict=True)]
        together = merge(parts)
        return replace(together, program=np.array(programs)[together.track], track_names=PARTS)

    def onsets(self, tokens: Array) -> Array:
        """Which tokens (..., 3) strike a note or a drum; arrays and tensors alike."""
        struck: Array = tokens > 0
        struck[..., :DRUMS] = tokens[..., :DRUMS] >= FIRST_NOTE
        return struck

    def at_lowest(self, events: NDArray[Any]) -> NDArray[Any]:
        """Windows (N, T, 3), melody and bass moved together until the lowest note of both is at `min_pitch`."""
        return np.concatenate([lines.lowered(events[..., :DRUMS]), events[..., DRUMS:]], axis=-1)

    def sounding(self, events: NDArray[Any], steps: Steps, starts: Steps) -> NDArray[Any]:
        """The note-on tokens of what sounds at some steps, or NO_EVENT, and the drums as they are."""
        melodic = (lines.sounding(events[:, part], steps, starts) for part in (MELODY, BASS))
        return np.stack([*melodic, events[steps, DRUMS]], axis=-1)

    def part(self, columns: Sequence[Voices], region: grid.Region) -> Trio:
        """Every melody with every bass and the drums, in a region."""
        melodies, basses = (self._melodic.part([voices], region) for voices in columns[:DRUMS])
        pairs = np.indices((melodies.size, basses.size)).reshape(2, -1)
        drums = self._kit.part([columns[DRUMS]], region).take(np.zeros_like(pairs[0]))
        return Trio(melodies.take(pairs[MELODY]), basses.take(pairs[BASS]), drums)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Which windows to take: the first is training's; a tune without such a window is read by the next ones."""
        return self.covered, self.complete, self.with_a_note

    def covered(self, bars: NDArray[np.bool_], ends: Steps) -> NDArray[np.bool_]:
        """Which windows have every part near every bar; see the class. Magenta's rule, the piece being the trio's."""
        near = np.concatenate([self._near(of_piece) for of_piece in np.split(bars, ends[:-1])])
        return ~any_of(~near, self.bars) & self.with_a_note(bars, ends)

    def _near(self, bars: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which bars of a piece (bars, 3) are near to every part, or to the piece's own first or last."""
        gap = self.gap_bars
        near: NDArray[np.bool_] = np.all(any_of(np.pad(bars, ((gap, gap), (0, 0))), 2 * gap + 1), axis=1)
        near[:gap] = near[len(near) - gap :] = True
        return near

    def complete(self, bars: NDArray[np.bool_], ends: Steps) -> NDArray[np.bool_]:
        """Which windows have a note in each part."""
        return np.asarray(np.all(any_of(bars, self.bars), axis=1))

    def is_playable(self, sequence: NoteSequence) -> NDArray[np.bool_]:
        """Which notes some part can say."""
        return self._melodic.is_playable(sequence) | self._kit.is_playable(sequence)

    def voices(self, sequence: NoteSequence, skipped: Counter[str]) -> list[Voices]:
        """The melodies, the basses and all drums; none where one of them is missing. Counts tracks that are neither."""
        notes = self._playable(sequence, skipped)
        tracks = self._tracks(notes, skipped)
        for part, of_part in zip(PARTS, tracks, strict=True):
            skipped[f"no {part}"] += not of_part
        return _columns(notes, tracks) if all(tracks) else []

    def tune(self, sequence: NoteSequence, track: int | str | None) -> list[Voices]:
        """The trio of the melody (or the track chosen) and the bass with most notes; what there is not is silent."""
        skipped: Counter[str] = Counter()
        notes = self._playable(sequence, skipped)
        melodies, basses, drums = self._tracks(notes, skipped)
        if track is not None:
            melodies = [int(named_track(notes.select(~notes.is_drum), track, "melodic notes").track[0])]
            basses = [bass for bass in basses if bass not in melodies]
        if not (melodies or basses or drums):
            raise ValueError(
                f"no track is a melody, a bass or drums by its program (tracks left out: {listed(skipped)}): "
                "choose the melody with --track"
            )
        return _columns(notes, [_fullest(notes, melodies), _fullest(notes, basses), drums])

    def _playable(self, sequence: NoteSequence, skipped: Counter[str]) -> NoteSequence:
        """The playable notes; counts the tracks without any."""
        notes = sequence.select(self.is_playable(sequence))
        skipped["out of range"] += len(ranked(sequence.track)[0]) - len(ranked(notes.track)[0])
        return notes

    def _tracks(self, sequence: NoteSequence, skipped: Counter[str]) -> list[list[int]]:
        """The tracks of melodies, of basses and of drums; counts the others."""
        kinds = np.select(
            [sequence.is_drum, _within(sequence, self.melody_programs), _within(sequence, self.bass_programs)],
            [DRUMS, MELODY, BASS],
            OTHER,
        )
        tracks, place = ranked(sequence.track)
        has = np.zeros((len(tracks), OTHER + 1), np.bool_)
        has[place, kinds] = True
        pure = has.sum(axis=1) == 1
        skipped["mixed track"] += int(np.count_nonzero(~pure))
        found: list[list[int]] = [tracks[pure & has[:, kind]].tolist() for kind in range(OTHER + 1)]
        skipped["other program"] += len(found.pop())
        return found


def _program_range(field: str, programs: Sequence[int]) -> tuple[int, int]:
    if len(programs) != 2 or not 0 <= programs[0] <= programs[1] <= 127:
        raise ValueError(f"{field} is {programs}; it must be the first and the last program of a range within 0..127")
    return programs[0], programs[1]


def _within(sequence: NoteSequence, programs: tuple[int, int]) -> NDArray[np.bool_]:
    return (sequence.program >= programs[0]) & (sequence.program <= programs[1])


def _fullest(sequence: NoteSequence, tracks: list[int]) -> list[int]:
    """The one of these tracks with most notes, if there are any."""
    return sorted(tracks, key=lambda track: -np.count_nonzero(sequence.track == track))[:1]


def _columns(sequence: NoteSequence, tracks: list[list[int]]) -> list[Voices]:
    """The notes on the tracks of each part: melodies and basses each a voice or else one that is silent, drums one."""
    drums = sequence.is_drum
    masks = [np.isin(sequence.track, of_part) & (drums == (part == DRUMS)) for part, of_part in enumerate(tracks)]
    melodic = (Voices.tracks if mask.any() else Voices.together for mask in masks[:DRUMS])
    return [make(sequence, mask) for make, mask in zip((*melodic, Voices.together), masks, strict=True)]
