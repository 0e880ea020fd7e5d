from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from musevae.music.windows import Windows, cut, join


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


def test_windows_are_joined_in_order_and_their_counts_added() -> None:
    parts = [
        Windows(np.full((2, 4), k, np.uint8), np.array([k, k + 1]), np.array([1, 0]), Counter(silent=k)) for k in (1, 5)
    ]
    events, bars, _, skipped = join(parts, (4,), np.uint8)
    assert (events[:, 0].tolist(), bars.tolist(), skipped) == ([1, 1, 5, 5], [1, 2, 5, 6], {"silent": 6})


def test_nothing_joined_is_empty_and_of_the_shape_and_type_of_windows() -> None:
    events, bars, piece, skipped = join([], (4, 3), np.uint16)
    assert (events.shape, events.dtype, bars.shape, piece.shape, skipped) == ((0, 4, 3), np.uint16, (0,), (0,), {})


def test_windows_of_each_piece_come_together_in_their_order() -> None:
    parts = [Windows(np.full((2, 4), k, np.uint8), np.array([k, k]), np.array([0, 1]), Counter()) for k in (1, 5)]
    windows = join(parts, (4,), np.uint8).by_piece()
    assert (windows.bars.tolist(), windows.piece.tolist()) == ([1, 5, 1, 5], [0, 0, 1, 1])
