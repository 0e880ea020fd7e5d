from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musevae.music.note_sequence import Note, NoteSequence
from musevae.music.voices import Voices, ranked

NOTES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 20)), max_size=40)  # in 20ths


def played(rows: list[tuple[int, int, int]]) -> NoteSequence:
    """Notes as (track, start, length)."""
    return NoteSequence.from_notes(Note(60, s / 20, (s + length) / 20, track=track) for track, s, length in rows)


def all_voices(sequence: NoteSequence) -> Voices:
    return Voices.tracks(sequence, np.ones(len(sequence), np.bool_))


@given(NOTES)
def test_notes_come_track_by_track_in_order_of_time(rows: list[tuple[int, int, int]]) -> None:
    sequence = played(rows)
    voices = all_voices(sequence)
    tracks = sorted({note.track for note in sequence.notes})
    expected = [
        (place, note.start) for place, track in enumerate(tracks) for note in sequence.notes if note.track == track
    ]
    assert list(zip(voices.voice.tolist(), voices.start.tolist(), strict=True)) == expected
    assert voices.sizes().tolist() == [sum(note.track == track for note in sequence.notes) for track in tracks]


def share(notes: list[Note]) -> float:
    """Share of the onset steps at which a note begins while the one before it sounds."""
    steps = [math.floor(note.start * 4 + 0.5) for note in notes]
    chords = {
        step for step, before, note, last in zip(steps[1:], steps, notes[1:], notes, strict=False)
        if step == before and note.start < last.end
    }  # fmt: skip
    return len(chords) / len(set(steps))


@given(NOTES)
def test_chord_shares_are_those_of_the_slow_way(rows: list[tuple[int, int, int]]) -> None:
    sequence = played(rows)
    parts = [sequence.select(sequence.track == track) for track in np.unique(sequence.track)]
    assert all_voices(sequence).chord_shares(4).tolist() == [share(part.notes) for part in parts]


@pytest.mark.parametrize("tracks", [[], [0, 1, 1], [5, 2, 5], [-1, 7], [2**31 - 1, 0]])
def test_places_of_any_track_numbers(tracks: list[int]) -> None:
    found, places = ranked(np.array(tracks, np.int32))
    assert found.tolist() == sorted(set(tracks))
    assert [sorted(set(tracks))[place] for place in places.tolist()] == tracks
