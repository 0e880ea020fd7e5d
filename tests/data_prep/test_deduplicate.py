from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from data_prep import deduplicate
from data_prep.deduplicate import FILLED, Seen, digests, first_of_each

ROWS = arrays(np.uint8, st.tuples(st.integers(0, 40), st.just(3)), elements=st.integers(0, 2))


def naive(rows: NDArray[Any], before: list[Any]) -> list[bool]:
    """Which rows are not among those before; these grow."""
    new = []
    for row in rows.tolist():
        new.append(row not in before)
        before += [row] * new[-1]
    return new


@given(parts=st.lists(ROWS, max_size=5))
def test_few_bytes_of_each_row_tell_the_same_as_all_rows(parts: list[NDArray[np.uint8]]) -> None:
    seen, before = Seen(), list[Any]()
    for rows in parts:
        assert seen.add(digests(rows)).tolist() == naive(rows, before)
    assert len(seen) == len(before)


@given(numbers=st.lists(st.lists(st.integers(0, 40), max_size=60), max_size=6))
def test_table_grows_and_resolves_collisions(numbers: list[list[int]]) -> None:
    """Every digest has the same slot here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deduplicate, "FIRST_SLOTS", 2)
        seen, before = Seen(), list[Any]()
        for group in numbers:
            rows = np.array([[2 * number, 64] for number in group], np.uint64).reshape(-1, 2) | FILLED
            assert seen.add(rows).tolist() == naive(rows, before)


@pytest.mark.parametrize("shape", [(0, 4), (5, 4), (5, 4, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_rows_of_any_shape_have_digests(shape: tuple[int, ...], dtype: type) -> None:
    rows = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    found = digests(rows)
    assert found.shape == (shape[0], 2)
    assert len(np.unique(found, axis=0)) == shape[0]
    assert np.array_equal(found, digests(np.asfortranarray(rows)))


def test_many_digests_take_little_memory() -> None:
    draw = np.random.default_rng(0)
    seen = Seen()
    rows = draw.integers(0, 2**63, (100_000, 2), dtype=np.uint64) | FILLED
    for part in np.split(rows, 100):
        assert seen.add(part).all()
    assert not seen.add(rows[-1000:]).any()
    assert seen.nbytes <= 54 * len(seen)


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4], [1, 2]], [[0, 0]], [[2, 1], [1, 2], [2, 1], [1, 2], [0, 1]]])
def test_first_of_each_keeps_the_order(rows: list[list[int]]) -> None:
    expected = [index for index, row in enumerate(rows) if row not in rows[:index]]
    assert first_of_each(np.array(rows, np.uint8)).tolist() == expected
    assert first_of_each(np.empty((0, 2), np.uint8)).tolist() == []
