"""Hashing of many integers at once, after splitmix64 (Steele, Lea, Flood 2014): fast, and not against forgers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GAMMA = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, odd: what apart hashes start apart by
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The values, every bit of each depending on all of them: the end of splitmix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(MULTIPLIERS[0])
    values = (values ^ (values >> np.uint64(27))) * np.uint64(MULTIPLIERS[1])
    return values ^ (values >> np.uint64(31))
