from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musevae.music.grid import Region, fits, quantize, regions, steps_per_bar
from musevae.music.note_sequence import TimeSignature

COMMON = (4, 4)


@given(st.lists(st.integers(-10_000, 10_000)), st.integers(1, 24))
def test_quantize_rounds_to_the_nearest_step_and_halves_up(ticks: list[int], steps_per_quarter: int) -> None:
    quarters = np.array(ticks, np.float64) / 64
    exact = [Fraction(tick, 64) * steps_per_quarter for tick in ticks]
    assert quantize(quarters, steps_per_quarter).tolist() == [math.floor(step + Fraction(1, 2)) for step in exact]


@pytest.mark.parametrize(
    ("signature", "steps_per_quarter", "steps"),
    [
        (COMMON, 4, 16),
        ((2, 2), 4, 16),
        ((3, 4), 4, 12),
        ((6, 8), 4, 12),
        ((4, 4), 24, 96),
        ((5, 8), 2, 5),
        ((3, 1), 1, 12),
    ],
)
def test_steps_of_a_bar(signature: tuple[int, int], steps_per_quarter: int, steps: int) -> None:
    assert steps_per_bar(signature, steps_per_quarter) == steps


@pytest.mark.parametrize(
    ("signature", "steps_per_quarter", "problem"),
    [
        (
            (5, 8),
            1,
            "5/8 is not a whole number of steps at 1 steps per quarter: raise steps_per_quarter to a multiple of 2",
        ),
        ((0, 4), 4, "0/4 is not a time signature"),
        ((4, 3), 4, "4/3 is not a time signature"),
        ((4, 4), 0, "steps_per_quarter is 0"),
    ],
)
def test_bar_that_is_no_whole_number_of_steps_is_refused(
    signature: tuple[int, int], steps_per_quarter: int, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        steps_per_bar(signature, steps_per_quarter)


@pytest.mark.parametrize(
    ("tune", "model", "fit"),
    [
        ((4, 4), (4, 4), True),
        ((2, 4), (4, 4), True),
        ((2, 2), (4, 4), True),
        ((1, 4), (4, 4), True),
        ((8, 8), (4, 4), True),
        ((4, 2), (4, 4), False),
        ((3, 4), (4, 4), False),
        ((12, 8), (4, 4), False),
        ((6, 8), (3, 4), False),
        ((3, 4), (6, 8), False),
        ((3, 8), (6, 8), True),
        ((3, 4), (3, 4), True),
        ((4, 4), (2, 2), True),
    ],
)
def test_metres_that_fit_a_models_bar(tune: tuple[int, int], model: tuple[int, int], fit: bool) -> None:
    assert fits(TimeSignature(0, *tune), model) is fit


@pytest.mark.parametrize(
    ("signatures", "expected"),
    [
        ([(0, 4, 4)], [Region(0, math.inf, 1)]),
        ([(0, 3, 4)], []),
        ([(0, 4, 4), (8, 2, 2)], [Region(0, math.inf, 1)]),  # a change on a bar line that fits is none
        ([(0, 4, 4), (6, 4, 4)], [Region(0, 6, 1), Region(6, math.inf, 3)]),  # bar lines move: half a bar was cut
        ([(0, 4, 4), (8, 3, 4), (14, 2, 4)], [Region(0, 8, 1), Region(14, math.inf, 5)]),
        ([(0, 3, 4), (3, 4, 4)], [Region(3, math.inf, 2)]),  # a bar of 3/4, then 4/4
        ([(0, 3, 4), (0, 4, 4)], [Region(0, math.inf, 1)]),  # two at once: the last counts
    ],
)
def test_regions_are_the_stretches_whose_bars_fit(
    signatures: list[tuple[float, int, int]], expected: list[Region]
) -> None:
    assert regions([TimeSignature(*signature) for signature in signatures], COMMON) == expected
