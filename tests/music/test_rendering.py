from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musevae.music.note_sequence import Note, NoteSequence
from musevae.music.rendering import COLOURS, piano_roll, picture, waveform

A440 = NoteSequence.from_notes([Note(69, 0, 2)], qpm=120)  # a second
EMPTY = NoteSequence.from_notes([])


def test_piano_roll_has_velocities_where_notes_sound() -> None:
    roll = piano_roll(NoteSequence.from_notes([Note(60, 0.5, 1, velocity=90), Note(64, 0, 0.25)], end_time=1.5), 4)
    assert roll.shape == (128, 6)
    assert roll[60].tolist() == [0, 0, 90, 90, 0, 0]
    assert roll[64].tolist() == [80, 0, 0, 0, 0, 0]
    assert np.count_nonzero(roll) == 3


def test_of_notes_at_one_place_the_loudest_is_seen() -> None:
    notes = [Note(60, 0, 1, velocity=50), Note(60, 0, 1, velocity=100), Note(60, 0, 1, velocity=70)]
    assert piano_roll(NoteSequence.from_notes(notes)).max() == 100


def test_the_shortest_note_takes_a_step() -> None:
    assert piano_roll(NoteSequence.from_notes([Note(60, 0.3, 0.31)]), 4)[60].tolist() == [0, 80]
    assert piano_roll(NoteSequence.from_notes([Note(60, 1, 1)]), 4)[60, -1] == 80


def test_picture_has_high_notes_above_and_first_steps_in_full_colour() -> None:
    image = picture(NoteSequence.from_notes([Note(21, 0, 0.5), Note(108, 0.5, 1, track=1)]), 4)
    assert image.shape == (88 * 3, 4 * 6, 3)
    assert (image[-1, 0] == COLOURS[0]).all()
    assert (image[0, 12] == COLOURS[1]).all()
    assert (image[-1, 6] > image[-1, 0]).all()
    assert (image[0, :12] == 255).all()


def test_notes_beyond_a_piano_are_not_in_the_picture() -> None:
    assert (picture(NoteSequence.from_notes([Note(20, 0, 1), Note(109, 0, 1)])) == 255).all()


def test_a_note_sounds_at_its_frequency_for_its_time() -> None:
    sound = waveform(A440, 8000)
    assert sound.dtype == np.float32
    assert sound.shape == (8000,)
    assert np.abs(np.fft.rfft(sound)).argmax() == 440
    assert np.abs(waveform(replace(A440, tempos=A440.tempos * 0), 8000)).max() <= 1


def test_drums_are_short_noise_and_the_same_every_time() -> None:
    drums = NoteSequence.from_notes([Note(36, 1, 1.25, is_drum=True)], qpm=60, end_time=4)
    sound = waveform(drums, 1000)
    assert len(sound) == 4000
    assert not sound[:1000].any()
    assert not sound[1200:].any()
    assert np.abs(sound[1000:1020]).mean() > 10 * np.abs(sound[1180:1200]).mean()
    assert (sound == waveform(drums, 1000)).all()


def test_many_notes_stay_within_range() -> None:
    chord = NoteSequence.from_notes([Note(pitch, 0, 4, velocity=127) for pitch in range(40, 80)])
    assert 0.5 < np.abs(waveform(chord)).max() <= 1


@pytest.mark.parametrize("sequence", [EMPTY, NoteSequence.from_notes([Note(60, 0, 0)])])
def test_nothing_to_hear_is_silence(sequence: NoteSequence) -> None:
    assert piano_roll(sequence).shape == (128, 1)
    assert picture(sequence).shape == (264, 6, 3)
    assert waveform(sequence).tolist() == [0]
