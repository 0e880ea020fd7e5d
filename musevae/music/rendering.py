"""Notes to look at and to listen to, without any player: a piano roll, a picture of it, and a plain synthesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musevae.music.note_sequence import NoteSequence

PITCHES = range(21, 109)  # a piano's keys, the rows of a picture
CELL = (3, 6)  # pixels of a step: height, width
COLOURS = np.array([(31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189)], np.uint8)  # of tracks, in turn
SUSTAINED = 0.6  # how much of its colour a note keeps after its first step, the rest being white
SAMPLE_RATE_HZ = 11025
CONCERT_A = (69, 440.0)  # its pitch and frequency in Hz
DECAY_S = 0.5  # in which a note falls to 1/e
DRUM_S = 0.05  # likewise a drum
DRUM_LENGTH_S = 0.2
FADE_S = 0.005  # at both ends of a note, against clicks
LOUDEST = 0.9  # of a waveform's range


def piano_roll(sequence: NoteSequence, steps_per_quarter: int = 4) -> NDArray[np.uint8]:
    """Velocities (128, T), T the steps up to the end of the piece, at least 1; of notes at one place the loudest."""
    roll = np.zeros((128, _steps(sequence, steps_per_quarter)), np.uint8)
    note, step, _ = _cells(sequence, steps_per_quarter)
    np.maximum.at(roll, (sequence.pitch[note], step), sequence.velocity[note])
    return roll


def picture(sequence: NoteSequence, steps_per_quarter: int = 4) -> NDArray[np.uint8]:
    """A piano roll (height, width, 3) in red, green, blue: high notes above, a colour for each track, on white.

    A note's first step is darker than the rest, so that repeated notes can be told from long ones.
    """
    image = np.full((128, _steps(sequence, steps_per_quarter), 3), 255, np.uint8)
    note, step, begins = _cells(sequence, steps_per_quarter)
    colour = COLOURS[sequence.track[note] % len(COLOURS)].astype(np.float64)
    image[sequence.pitch[note], step] = np.where(begins[:, None], colour, 255 - SUSTAINED * (255 - colour))
    rows = image[PITCHES.start : PITCHES.stop][::-1]
    return rows.repeat(CELL[0], axis=0).repeat(CELL[1], axis=1)


def waveform(sequence: NoteSequence, rate_hz: int = SAMPLE_RATE_HZ) -> NDArray[np.float32]:
    """Mono samples (N,) within -1..1 at the first tempo: notes as decaying sines, drums as bursts of noise."""
    seconds = 60 / sequence.qpm
    start = (sequence.start * seconds * rate_hz).round().astype(np.int64)
    length_s = np.where(sequence.is_drum, DRUM_LENGTH_S, (sequence.end - sequence.start) * seconds)
    length = (length_s * rate_hz).round().astype(np.int64)
    note, sample = _ranges(length)
    time_s = sample / rate_hz
    frequency = CONCERT_A[1] * 2 ** ((sequence.pitch[note].astype(np.float64) - CONCERT_A[0]) / 12)
    noise = np.random.default_rng(0).uniform(-1, 1, len(note))
    drum = sequence.is_drum[note]
    tone = np.where(drum, noise, np.sin(2 * np.pi * frequency * time_s))
    fade = np.minimum(time_s, length[note] / rate_hz - time_s) / FADE_S
    loudness = np.exp(-time_s / np.where(drum, DRUM_S, DECAY_S)) * np.where(drum, 1, fade.clip(0, 1))
    size = max(1, round(sequence.end_time * seconds * rate_hz), *(start + length))
    mixed = np.bincount(start[note] + sample, tone * loudness * (sequence.velocity[note] / 127), minlength=size)
    return (mixed * (LOUDEST / max(1.0, float(np.abs(mixed).max())))).astype(np.float32)


def _steps(sequence: NoteSequence, steps_per_quarter: int) -> int:
    return max(1, int(np.ceil(sequence.end_time * steps_per_quarter)))


def _cells(sequence: NoteSequence, steps_per_quarter: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of each step of each note (M,): which note, which step, and whether the note begins there."""
    last = _steps(sequence, steps_per_quarter) - 1
    first = np.floor(sequence.start * steps_per_quarter).astype(np.int64).clip(max=last)
    length = np.ceil(sequence.end * steps_per_quarter).astype(np.int64) - first
    note, after = _ranges(length.clip(min=1))
    return note, first[note] + after, after == 0


def _ranges(length: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For ranges of these lengths (N,), one after another: which range (M,), and the number in it (M,)."""
    index = np.repeat(np.arange(len(length)), length)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(length) - length, length)
