from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musevae.music.lines import FIRST_NOTE, NO_EVENT, NOTE_OFF, Line, lowered, monophonic, sounding

TOKENS = st.lists(st.one_of(st.just(NO_EVENT), st.just(NOTE_OFF), st.integers(2, 5)), min_size=1, max_size=30)


def what_sounds(tokens: list[int]) -> list[int]:
    now, heard = NO_EVENT, []
    for token in tokens:
        now = now if token == NO_EVENT else token if token >= FIRST_NOTE else NO_EVENT
        heard.append(now)
    return heard


@given(TOKENS)
def test_what_sounds_is_the_last_note_not_yet_off(tokens: list[int]) -> None:
    assert sounding(np.array(tokens, np.uint8)).tolist() == what_sounds(tokens)


@given(st.lists(st.tuples(*[st.sampled_from([NO_EVENT, NOTE_OFF, 2, 3])] * 2), min_size=1, max_size=20))
def test_columns_sound_on_their_own(rows: list[tuple[int, int]]) -> None:
    columns = zip(*rows, strict=True)
    assert sounding(np.array(rows)).T.tolist() == [what_sounds(list(column)) for column in columns]


@given(TOKENS, st.integers(0, 200))
def test_shifted_lines_are_equal_once_lowered(tokens: list[int], shift: int) -> None:
    line = np.array([tokens], np.uint8)
    low, same = lowered(line), lowered(np.where(line >= FIRST_NOTE, line + shift, line))
    assert np.array_equal(low, same)
    assert low.dtype == np.uint8
    assert not (low >= FIRST_NOTE).any() or low[low >= FIRST_NOTE].min() == FIRST_NOTE


@pytest.mark.parametrize(
    ("first", "expected"),
    [(0, [0, 0, 7, 0, 0, 1]), (2, [7, 0, 0, 1, 9, 0]), (3, [7, 0, 1, 9, 0, 1]), (5, [1, 9, 0, 1, 0, 0]), (9, [0] * 6)],
)
def test_events_from_a_step_on_strike_what_is_held_again(first: int, expected: list[int]) -> None:
    line = Line(np.array([2, 6]), np.array([5, 8]), np.array([7, 9]))
    assert line.events(first, 6).tolist() == expected


def test_line_keeps_the_highest_note_of_a_step_and_cuts_at_the_next() -> None:
    line = monophonic(np.array([4, 0, 0]), np.array([6, 9, 5]), np.array([3, 5, 8]))
    assert [column.tolist() for column in line] == [[0, 4], [4, 6], [8, 3]]
    assert line.span == (0, 6)


def test_line_without_a_note_has_no_span() -> None:
    nothing = np.empty(0, np.int64)
    assert monophonic(nothing, nothing, nothing).span is None
