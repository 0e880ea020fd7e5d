from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.fingerprint import PHRASE, fingerprint, phrases
from musevae.music.note_sequence import Note, NoteSequence, Tempo

LINES = st.lists(st.tuples(st.integers(40, 80), st.integers(1, 8)), min_size=2, max_size=120)  # pitch, sixteenths

Line = list[tuple[int, int]]


def tune(line: Line, *, up: int = 0, start: float = 0) -> NoteSequence:
    """The notes of a line, one after the other."""
    starts = start + np.cumsum([0, *(length for _, length in line)]) / 4
    notes = zip(line, starts[:-1], starts[1:], strict=True)
    return NoteSequence.from_notes([Note(pitch + up, begin, end) for (pitch, _), begin, end in notes])


@given(line=LINES, up=st.integers(-20, 20), bars=st.integers(0, 8))
def test_copy_transposed_later_faster_or_louder_is_the_same_piece(line: Line, up: int, bars: int) -> None:
    original, copy = tune(line), tune(line, up=up, start=4 * bars)
    louder = replace(copy, velocity=copy.velocity + 20, program=copy.program + 3, tempos=(Tempo(0, 77),))
    assert fingerprint(louder) == fingerprint(original)


@given(line=LINES, bass=st.integers(1, 30))
def test_drums_and_lower_voices_change_nothing(line: Line, bass: int) -> None:
    notes = tune(line).notes
    hits = [Note(36, note.start + 0.5, note.end + 0.5, is_drum=True, track=1) for note in notes]
    lower = [note._replace(pitch=note.pitch - bass, track=2) for note in notes]
    assert fingerprint(NoteSequence.from_notes([*notes, *hits, *lower])) == fingerprint(tune(line))


@given(line=LINES, other=LINES)
def test_different_tunes_differ(line: Line, other: Line) -> None:
    def moves(line: Line) -> Line:
        pairs = pairwise(line)
        return [(after[0] - before[0], before[1]) for before, after in pairs]

    shared = len(moves(line)) > PHRASE or len(moves(other)) > PHRASE
    assert shared or (fingerprint(tune(line)) == fingerprint(tune(other))) == (moves(line) == moves(other))


def test_versions_of_a_tune_are_mostly_one_piece() -> None:
    """One wrong note in 300 changes 33 of 268 phrases; of all that either has, 78 % are in both."""
    draw = np.random.default_rng(0)
    same = 0
    for _ in range(100):
        line = list(zip(draw.integers(50, 80, 300).tolist(), draw.integers(1, 5, 300).tolist(), strict=True))
        wrong = line.copy()
        wrong[draw.integers(300)] = (30, 2)
        same += fingerprint(tune(line)) == fingerprint(tune(wrong))
    assert 65 <= same <= 90


def test_piece_of_drums_alone_has_one_of_its_own() -> None:
    hits = [
        NoteSequence.from_notes([Note(p, i, i + 1, is_drum=True) for i, p in enumerate(kit)]) for kit in (b"$&", b"$*")
    ]
    assert len({fingerprint(hit) for hit in hits}) == 2


def test_no_notes_and_one_note_are_pieces_too() -> None:
    assert fingerprint(NoteSequence.from_notes([])) == 0
    assert fingerprint(tune([(60, 4)])) == fingerprint(tune([(70, 4)]))


def test_every_phrase_has_a_hash_and_few_moves_have_one() -> None:
    moves = np.arange(100, dtype=np.uint64)
    assert len(set(phrases(moves).tolist())) == 100 - PHRASE + 1
    assert phrases(moves[7 : 7 + PHRASE]).tolist() == [phrases(moves)[7]]
    assert len(phrases(moves[:3])) == len(phrases(moves[:0])) == 1
