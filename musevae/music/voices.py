"""Voices: the notes that may play a column of events, grouped by who plays them, so that all are cut up at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musevae.music import grid
from musevae.music.note_sequence import NoteSequence
from musevae.music.windows import Steps, firsts

MANY_TRACKS = 1 << 15  # beyond which a table of their numbers would be wasteful


class Voices(NamedTuple):
    """Notes, one voice after the other, each in order of time; a voice may have none. Times in quarter notes."""

    voice: NDArray[Any]  # (N,) integers 0 to size - 1, in order
    start: NDArray[np.float64]  # (N,) quarter notes
    end: NDArray[np.float64]  # (N,) quarter notes
    pitch: NDArray[np.uint8]  # (N,)
    size: int  # how many voices
    end_time: float  # of the piece, quarter notes

    @classmethod
    def of(cls, sequence: NoteSequence, mask: NDArray[np.bool_], voice: NDArray[Any], size: int) -> Voices:
        """The notes where `mask` (N,) is true, each on the voice (N,) that is given."""
        rows = np.flatnonzero(mask)
        order = np.argsort(voice[rows], kind="stable")  # quick for integers of 16 bits
        return cls._made(sequence, rows[order], voice[rows[order]], size)

    @classmethod
    def tracks(cls, sequence: NoteSequence, mask: NDArray[np.bool_]) -> Voices:
        """The notes where `mask` (N,) is true; each of the tracks that have any is a voice."""
        rows = np.flatnonzero(mask)
        tracks, voice = ranked(sequence.track[rows])
        order = np.argsort(voice, kind="stable")
        return cls._made(sequence, rows[order], voice[order], len(tracks))

    @classmethod
    def together(cls, sequence: NoteSequence, mask: NDArray[np.bool_]) -> Voices:
        """The notes where `mask` (N,) is true, whatever their tracks, as one voice."""
        rows = np.flatnonzero(mask)
        return cls._made(sequence, rows, np.zeros(len(rows), np.int16), 1)

    @classmethod
    def _made(cls, sequence: NoteSequence, rows: Steps, voice: NDArray[Any], size: int) -> Voices:
        columns = (sequence.start[rows], sequence.end[rows], sequence.pitch[rows])
        return cls(voice, *columns, size, sequence.end_time)

    def keep(self, voices: NDArray[np.bool_]) -> Voices:
        """The same voices, those where `voices` (size,) is false without notes."""
        return self._where(voices[self.voice])

    def between(self, start: float, end: float) -> Voices:
        """The same voices, with what sounds or ends in a stretch (quarter notes) alone."""
        return self._where((self.start < end) & (self.end >= start))

    def _where(self, mask: NDArray[np.bool_]) -> Voices:
        if mask.all():
            return self
        rows = np.flatnonzero(mask)
        columns = (self.start[rows], self.end[rows], self.pitch[rows])
        return Voices(self.voice[rows], *columns, self.size, self.end_time)

    def sizes(self) -> Steps:
        """How many notes each voice has (size,)."""
        return np.bincount(self.voice, minlength=self.size)

    def chord_shares(self, steps_per_quarter: int) -> NDArray[np.float64]:
        """Share of the onset steps of each voice (size,) at which two notes sound together; 0 without notes."""
        step = grid.quantize(self.start, steps_per_quarter)
        again = (step[1:] == step[:-1]) & (self.voice[1:] == self.voice[:-1])  # notes on the step of the one before
        together = again & (self.start[1:] < self.end[:-1])
        first = firsts(again)[: len(step)]
        onsets = self.voice[first]
        chords = onsets[np.logical_or.reduceat(np.append(False, together), first)] if len(first) else onsets
        counts, of_all = (np.bincount(voice, minlength=self.size) for voice in (chords, onsets))
        return np.asarray(counts / np.maximum(of_all, 1))


def ranked(track: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The different tracks (V,) of notes, in order, and the place of each note's (N,) among them."""
    if track.view(np.uint32).max(initial=0) >= MANY_TRACKS:
        return np.unique(track, return_inverse=True)
    tracks: NDArray[Any] = np.flatnonzero(np.bincount(track))
    if len(tracks) == 0 or tracks[-1] == len(tracks) - 1:
        return tracks, track.astype(np.int16)  # already its place
    places = np.zeros(tracks[-1] + 1, np.int16)
    places[tracks] = np.arange(len(tracks))
    return tracks, places[track]
