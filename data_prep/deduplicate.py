"""Which windows are there already: 16 bytes for each kind of window, however long the windows are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing import GAMMA, mixed

Digests = NDArray[np.uint64]  # (N, 2): 128 bits a row, the first one set

WORD_BYTES = 8
BLOCK_ROWS = 1 << 10
FIRST_SLOTS = 1 << 12
FILLED = np.array([1, 0], np.uint64)  # what tells a digest from an empty slot
MAX_LOAD = 0.6  # of the table, before it doubles


def digests(rows: NDArray[Any]) -> Digests:
    """A digest of each row (N, ...), equal where the rows are: two sums of hashes of its words and their places."""
    data = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), math.prod(rows.shape[1:]) * rows.itemsize)
    words = np.pad(data, ((0, 0), (0, -data.shape[1] % WORD_BYTES))).view(np.uint64)  # (N, W)
    places = np.arange(1, words.shape[1] + 1, dtype=np.uint64) * np.uint64(GAMMA)
    found = np.empty((len(rows), 2), np.uint64)
    for first in range(0, len(rows), BLOCK_ROWS):  # few enough for the processor's cache
        hashes = mixed(words[first : first + BLOCK_ROWS] + places)
        found[first : first + BLOCK_ROWS, 0] = hashes.sum(axis=1)
        found[first : first + BLOCK_ROWS, 1] = (hashes * (places | np.uint64(1))).sum(axis=1)
    return mixed(found) | FILLED


class Seen:
    """The digests added so far: a table of open addressing, 27 to 54 bytes for each of many."""

    def __init__(self) -> None:
        self._table: Digests = np.zeros((FIRST_SLOTS, 2), np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """The memory that they take."""
        return self._table.nbytes

    def add(self, rows: Digests) -> NDArray[np.bool_]:
        """Add digests (N, 2); tells which of them (N,) are new, the first of several alike."""
        while self._count + len(rows) > MAX_LOAD * len(self._table):
            self._grow()
        new = np.zeros(len(rows), np.bool_)
        first = first_of_each(rows)
        new[first] = self._insert(rows[first])
        self._count += int(new.sum())
        return new

    def _insert(self, rows: Digests) -> NDArray[np.bool_]:
        """Put rows, all different, where they are not yet; tells which were not."""
        new = np.zeros(len(rows), np.bool_)
        last = np.uint64(len(self._table) - 1)
        waiting, slots = np.arange(len(rows)), rows[:, 1] & last
        while len(waiting):
            free = self._table[slots, 0] == 0
            self._table[slots[free]] = rows[waiting[free]]  # of several for one slot the last wins
            placed = (self._table[slots] == rows[waiting]).all(axis=1)
            new[waiting[placed & free]] = True
            waiting, slots = waiting[~placed], (slots[~placed] + np.uint64(1)) & last
        return new

    def _grow(self) -> None:
        rows = self._table[self._table[:, 0] != 0]
        self._table = np.zeros((2 * len(self._table), 2), np.uint64)
        self._insert(rows)


def first_of_each(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Indices, in order, of the first of all rows (N, C) that are equal."""
    if not len(rows):
        return np.empty(0, np.int64)
    order = np.lexsort(rows.T)  # of equal rows the first comes first
    new = np.append(True, (rows[order[1:]] != rows[order[:-1]]).any(axis=1))
    return np.sort(order[new])
