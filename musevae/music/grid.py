"""The step grid: quantisation, bars, and the stretches of a piece whose bar lines fit a model's bars.

Quantisation follows Magenta's note_seq (ties round up); unlike it, time is in quarter notes, so a tempo change needs no
splitting, and a change of metre splits a piece only where the bars of the model no longer fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musevae.music.note_sequence import TimeSignature

TOLERANCE_QUARTERS = 1e-6


class Region(NamedTuple):
    """A stretch of a piece with bar lines every `bar_quarters` from `start` on; times in quarter notes."""

    start: float
    end: float  # infinite for the last one
    first_bar: int  # number of the bar at `start`, the piece's first being 1


def quantize(quarters: NDArray[np.float64], steps_per_quarter: int) -> NDArray[np.int64]:
    """Nearest steps (N,), halves rounded up."""
    return np.floor(quarters * steps_per_quarter + 0.5).astype(np.int64)


def steps_per_bar(time_signature: tuple[int, int], steps_per_quarter: int) -> int:
    """Steps in a bar; ValueError unless the bar is a whole number of steps."""
    numerator, denominator = time_signature
    if numerator < 1 or denominator not in (1, 2, 4, 8, 16, 32, 64):
        raise ValueError(f"{numerator}/{denominator} is not a time signature: write it as 4/4 or 6/8")
    if steps_per_quarter < 1:
        raise ValueError(f"steps_per_quarter is {steps_per_quarter}; it must be at least 1")
    steps, rest = divmod(4 * numerator * steps_per_quarter, denominator)
    if rest:
        raise ValueError(
            f"a bar of {numerator}/{denominator} is not a whole number of steps at {steps_per_quarter} steps per "
            f"quarter: raise steps_per_quarter to a multiple of {denominator // 4}"
        )
    return steps


def is_compound(numerator: int, denominator: int) -> bool:
    """Whether beats divide in three (3/8, 6/8, 9/8, 12/8), so that 6/8 is not taken for 3/4."""
    return numerator % 3 == 0 and denominator >= 8


def fits(signature: TimeSignature, time_signature: tuple[int, int]) -> bool:
    """Whether whole bars of `signature` fill one of `time_signature`, the beats alike: 2/4 and 2/2 fit 4/4."""
    numerator, denominator = time_signature
    bars, rest = divmod(numerator * signature.denominator, denominator * signature.numerator)
    return bars >= 1 and rest == 0 and is_compound(*signature[1:]) == is_compound(numerator, denominator)


def regions(signatures: Sequence[TimeSignature], time_signature: tuple[int, int]) -> list[Region]:
    """The stretches whose bars fit `time_signature`; a change that falls on a bar line does not end one."""
    bar_quarters = 4.0 * time_signature[0] / time_signature[1]
    found: list[Region] = []
    bar = 1
    ends = [*(signature.time for signature in signatures[1:]), np.inf]
    for signature, end in zip(signatures, ends, strict=True):
        fitting = fits(signature, time_signature)
        length = bar_quarters if fitting else signature.bar_quarters
        if fitting and found and _continues(found[-1], signature.time, bar_quarters):
            found[-1] = found[-1]._replace(end=end)
        elif fitting:
            found.append(Region(signature.time, end, bar))
        if np.isfinite(end):
            bar += int(np.ceil((end - signature.time) / length - TOLERANCE_QUARTERS))
    return found


def _continues(region: Region, time: float, bar_quarters: float) -> bool:
    bars = (time - region.start) / bar_quarters
    return region.end == time and abs(bars - round(bars)) < TOLERANCE_QUARTERS
