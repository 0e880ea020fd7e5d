from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musevae.music.lines import FIRST_NOTE, NO_EVENT, NOTE_OFF, Lines, lowered, monophonic, sounding
from musevae.music.windows import Blocks

TOKENS = st.lists(st.one_of(st.just(NO_EVENT), st.just(NOTE_OFF), st.integers(2, 5)), min_size=1, max_size=30)


def what_sounds(tokens: list[int]) -> list[int]:
    now, heard = NO_EVENT, []
    for token in tokens:
        now = now if token == NO_EVENT else token if token >= FIRST_NOTE else NO_EVENT
        heard.append(now)
    return heard


@given(pieces=st.lists(TOKENS, min_size=1, max_size=4), data=st.data())
def test_what_sounds_is_the_last_note_of_the_piece_not_yet_off(pieces: list[list[int]], data: st.DataObject) -> None:
    tokens = np.array([token for piece in pieces for token in piece], np.uint8)
    starts = np.cumsum([0, *map(len, pieces[:-1])])
    steps = np.array(sorted(data.draw(st.sets(st.integers(0, len(tokens) - 1)))), np.int64)
    expected = np.array([token for piece in pieces for token in what_sounds(piece)])
    assert sounding(tokens, steps, starts).tolist() == expected[steps].tolist()


@given(TOKENS, st.integers(0, 200))
def test_shifted_lines_are_equal_once_lowered(tokens: list[int], shift: int) -> None:
    line = np.array([tokens], np.uint8)
    low, same = lowered(line), lowered(np.where(line >= FIRST_NOTE, line + shift, line))
    assert np.array_equal(low, same)
    assert low.dtype == np.uint8
    assert not (low >= FIRST_NOTE).any() or low[low >= FIRST_NOTE].min() == FIRST_NOTE


LINE = Lines(np.array([0, 0]), np.array([2, 6]), np.array([5, 8]), np.array([7, 9]), 1)


@pytest.mark.parametrize(
    ("first", "expected"),
    [(0, [0, 0, 7, 0, 0, 1]), (2, [7, 0, 0, 1, 9, 0]), (3, [7, 0, 1, 9, 0, 1]), (5, [1, 9, 0, 1, 0, 0]), (9, [0] * 6)],
)
def test_events_from_a_step_on_strike_what_is_held_again(first: int, expected: list[int]) -> None:
    assert LINE.events(Blocks(np.array([first]), np.array([0]), np.array([6]))).tolist() == expected


def test_lines_lie_end_to_end_and_none_reaches_into_another() -> None:
    blocks = Blocks(np.array([5, 1, 0]), np.array([0, 4, 7]), np.array([4, 7, 7]))
    assert LINE.take(np.array([0, 0, 0])).events(blocks).tolist() == [1, 9, 0, 1, 0, 7, 0]


def test_line_is_taken_as_often_as_it_is_named() -> None:
    lines = Lines(*np.array([[0, 2, 2], [1, 3, 5], [2, 4, 6], [7, 8, 9]]), 3)
    taken = lines.take(np.array([2, 1, 0, 2]))
    assert taken.line.tolist() == [0, 0, 2, 3, 3]
    assert taken.token.tolist() == [8, 9, 7, 8, 9]
    assert taken.spans.tolist() == [[3, 6], [0, 0], [1, 2], [3, 6]]


def test_line_keeps_the_highest_note_of_a_step_and_cuts_at_the_next() -> None:
    numbers = np.array([0, 0, 0, 1, 1])
    ends, tokens = np.array([9, 5, 6, 8, 9]), np.array([5, 8, 3, 7, 7])
    lines = monophonic(numbers, np.array([0, 0, 4, 4, 4]), ends, tokens, 2)
    assert [column.tolist() for column in lines[:4]] == [[0, 0, 1], [0, 4, 4], [4, 6, 8], [8, 3, 7]]
    assert lines.spans.tolist() == [[0, 6], [4, 8]]


def test_line_without_a_note_has_no_span() -> None:
    nothing = np.empty(0, np.int64)
    assert monophonic(nothing, nothing, nothing, nothing, 1).spans.tolist() == [[0, 0]]
