from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musevae.music.windows import Cuts, any_of, cut, join, rows_of, spans


@pytest.mark.parametrize("columns", [(), (3,)])
def test_windows_are_cut_at_their_heads_and_begin_with_what_sounds(columns: tuple[int, ...]) -> None:
    events = np.arange(12 * int(np.prod(columns))).reshape(12, *columns)
    windows = cut(events, events[[0, 8]] + 100, np.array([0, 8]), 4)
    assert windows.shape == (2, 4, *columns)
    assert np.array_equal(windows[:, 1:], np.stack([events[1:4], events[9:]]))
    assert np.array_equal(windows[:, 0], events[[0, 8]] + 100)


def test_no_window_is_cut_without_a_head() -> None:
    events = np.zeros((8, 3))
    assert cut(events, events[:0], np.empty(0, np.int64), 4).shape == (0, 4, 3)


def test_windows_are_joined_in_order_or_by_piece() -> None:
    parts = [Cuts(np.full((2, 4), k, np.uint8), np.array([k, k + 1]), np.array([0, 1])) for k in (1, 5)]
    cuts = join(parts, (4,), np.uint8)
    assert (cuts.events[:, 0].tolist(), cuts.bars.tolist()) == ([1, 1, 5, 5], [1, 2, 5, 6])
    assert (cuts.by_piece().bars.tolist(), cuts.by_piece().piece.tolist()) == ([1, 5, 2, 6], [0, 0, 1, 1])


def test_nothing_joined_is_empty_and_of_the_shape_and_type_of_windows() -> None:
    events, bars, piece = join([], (4, 3), np.uint16)
    assert (events.shape, events.dtype, bars.shape, piece.shape) == ((0, 4, 3), np.uint16, (0,), (0,))


def test_rows_of_the_numbers_chosen_come_in_their_order() -> None:
    rows, place = rows_of(np.array([0, 0, 2, 5]), np.array([2, 1, 0, 0]))
    assert (rows.tolist(), place.tolist()) == ([2, 0, 1, 0, 1], [0, 2, 2, 3, 3])


def test_spans_reach_from_the_first_start_to_the_last_end() -> None:
    found = spans(np.array([0, 0, 2]), np.array([1, 3, 5]), np.array([2, 4, 9]), 4)
    assert found.tolist() == [[1, 4], [0, 0], [5, 9], [0, 0]]


@given(rows=st.lists(st.booleans(), min_size=1, max_size=12), width=st.integers(1, 12))
def test_any_of_neighbours(rows: list[bool], width: int) -> None:
    found = any_of(np.array(rows), min(width, len(rows))).tolist()
    assert found == [any(rows[first : first + width]) for first in range(len(found))]
