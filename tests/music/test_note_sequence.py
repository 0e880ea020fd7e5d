from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musevae.music.note_sequence import COLUMNS, Note, NoteSequence, Tempo, Text, TimeSignature, concatenate, merge

TUNE = NoteSequence.from_notes([Note(60, 0, 1), Note(64, 1, 3)], qpm=90, time_signature=(3, 4))

times = st.floats(0, 1e4, allow_nan=False)
notes = st.builds(
    lambda pitch, start, length, velocity, program, drum, track: Note(
        pitch, start, start + length, velocity, program, drum, track
    ),
    st.integers(0, 127),
    times,
    times,
    st.integers(1, 127),
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 40),
)


@given(st.lists(notes, max_size=20))
def test_notes_are_kept_and_sorted_by_start_then_pitch(rows: list[Note]) -> None:
    sequence = NoteSequence.from_notes(rows)
    assert sequence.notes == sorted(rows, key=lambda note: (note.start, note.pitch))
    assert sequence.end_time == max([note.end for note in rows], default=0)


def test_a_later_end_time_is_kept() -> None:
    assert NoteSequence.from_notes([Note(60, 0, 1)], end_time=8).end_time == 8
    assert NoteSequence.from_notes([Note(60, 0, 9)], end_time=8).end_time == 9


@pytest.mark.parametrize("name", COLUMNS)
def test_arrays_have_their_dtype_and_cannot_be_written(name: str) -> None:
    column = getattr(TUNE, name)
    assert column.dtype == COLUMNS[name]
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1


def test_the_callers_array_stays_writable_and_apart() -> None:
    starts = np.array([1.0, 0.0])
    sequence = replace(TUNE, start=starts)
    starts[0] = 5
    assert sequence.start.tolist() == [0.0, 1.0]


def test_fields_cannot_be_set() -> None:
    with pytest.raises(FrozenInstanceError):
        TUNE.end_time = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "other",
    [
        replace(TUNE, pitch=TUNE.pitch + 1),
        replace(TUNE, start=TUNE.start + 0.25),
        replace(TUNE, end=TUNE.end - 0.25, end_time=3),
        replace(TUNE, velocity=TUNE.velocity + 1),
        replace(TUNE, program=TUNE.program + 1),
        replace(TUNE, is_drum=~TUNE.is_drum),
        replace(TUNE, track=TUNE.track + 1),
        replace(TUNE, end_time=12),
        replace(TUNE, tempos=(Tempo(0, 91),)),
        replace(TUNE, time_signatures=(TimeSignature(0, 6, 8),)),
        replace(TUNE, track_names=("flute",)),
        replace(TUNE, texts=(Text(0, "Am"),)),
        "TUNE",
    ],
)
def test_sequences_that_differ_anywhere_are_unequal(other: object) -> None:
    assert other != TUNE


def test_equal_sequences_are_equal_in_whatever_order_their_notes_came() -> None:
    assert NoteSequence.from_notes(TUNE.notes[::-1], qpm=90, time_signature=(3, 4)) == TUNE


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        (TUNE, "NoteSequence(2 notes, 1 track, 3 quarters, 90 qpm, 3/4)"),
        (NoteSequence.from_notes([]), "NoteSequence(0 notes, 0 tracks, 0 quarters, 120 qpm, 4/4)"),
        (replace(TUNE, tempos=(), time_signatures=()), "NoteSequence(2 notes, 1 track, 3 quarters, 120 qpm, 4/4)"),
    ],
)
def test_repr_is_short_and_true(sequence: NoteSequence, words: str) -> None:
    assert repr(sequence) == words


def test_select_keeps_notes_and_context() -> None:
    assert TUNE.select(TUNE.pitch > 60).notes == [Note(64, 1, 3)]
    assert TUNE.select(TUNE.pitch > 127) == replace(
        NoteSequence.from_notes([], qpm=90, time_signature=(3, 4)), end_time=3
    )


@given(st.integers(0, 100))
def test_shift_moves_notes_and_end_and_can_be_undone(quarters: int) -> None:
    moved = TUNE.shift(quarters)
    assert moved.start.tolist() == [quarters, quarters + 1]
    assert moved.end_time == quarters + 3
    assert moved.shift(-quarters).notes == TUNE.notes


def test_concatenate_begins_each_part_where_the_last_one_ends() -> None:
    first = replace(TUNE, end_time=4)
    joined = concatenate([first, NoteSequence.from_notes([Note(50, 0.5, 1)]), TUNE])
    assert joined.notes == [Note(60, 0, 1), Note(64, 1, 3), Note(50, 4.5, 5), Note(60, 5, 6), Note(64, 6, 8)]
    assert (joined.end_time, joined.qpm, joined.time_signatures) == (8, 90, TUNE.time_signatures)


def test_concatenate_of_one_is_itself_and_of_none_an_error() -> None:
    assert concatenate([TUNE]) == TUNE
    with pytest.raises(ValueError, match="at least one"):
        concatenate([])


@pytest.mark.parametrize(("signature", "quarters"), [((4, 4), 4.0), ((6, 8), 3.0), ((2, 2), 4.0), ((3, 16), 0.75)])
def test_length_of_a_bar(signature: tuple[int, int], quarters: float) -> None:
    assert TimeSignature(0, *signature).bar_quarters == quarters


def test_merged_sequences_sound_together_on_tracks_of_their_own() -> None:
    low, high = (NoteSequence.from_notes([Note(pitch, 1, 2)], qpm=pitch, end_time=pitch) for pitch in (40, 70))
    together = merge([high, low])
    assert together.notes == [Note(40, 1, 2, track=1), Note(70, 1, 2, track=0)]
    assert (together.qpm, together.end_time) == (70, 70)


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="nothing to join"):
        merge([])


def test_track_without_a_name_is_called_nothing() -> None:
    sequence = replace(NoteSequence.from_notes([Note(60, 0, 1)]), track_names=("lead",))
    assert [sequence.track_name(index) for index in (0, 1)] == ["lead", ""]
