"""What every layout shares: which variables are wanted, shapes believed within limits only, finite float32 values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.float32]
NOT_OF_THE_MODEL = {"adam", "adam_1", "beta1_power", "beta2_power", "global_step"}  # last parts of names, any case
MAX_RANK = 8
MAX_DIM = 2**31 - 1


def is_of_the_model(name: str) -> bool:
    """Whether a variable is none of a training run's counters and optimiser slots."""
    return name.rpartition("/")[2].lower() not in NOT_OF_THE_MODEL


def checked_shape(dims: Sequence[Any]) -> tuple[int, ...]:
    """A shape; ValueError when it is not of positive integers, or of more or larger ones than any model's."""
    if len(dims) > MAX_RANK or not all(type(dim) is int and 0 < dim <= MAX_DIM for dim in dims):
        raise ValueError(f"a shape is not of up to {MAX_RANK} integers from 1 to {MAX_DIM}")
    return tuple(dims)


def byte_count(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> int:
    """The bytes of an array."""
    return math.prod(shape) * dtype.itemsize


def float32(name: str, values: NDArray[np.generic], shape: tuple[int, ...]) -> Tensor:
    """Values (N,) of any numeric type in a shape; ValueError when one of them is not finite."""
    with np.errstate(over="ignore"):
        array = np.require(values.reshape(shape), np.float32, ["C", "A"])
    if not np.isfinite(array).all():
        raise ValueError(f"{name[:200]!r} holds values that are not finite")
    return array
