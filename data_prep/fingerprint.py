"""What a piece is, whatever its file: a number that transposed, re-tempoed and lightly edited copies share.

The least of the hashes of all phrases of a piece (min-wise hashing, Broder 1997): two versions have the same one with
the probability that a phrase of theirs is in both, and none needs to know of the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing import GAMMA, mixed
from musevae.music import grid
from musevae.music.note_sequence import NoteSequence

STEPS_PER_QUARTER = 4
DOUBLINGS = 5
PHRASE = 2**DOUBLINGS  # onsets, each with the interval and the time to the next
LONGEST = 255  # steps between onsets: longer rests are alike


def fingerprint(sequence: NoteSequence) -> int:
    """64 bits from the intervals and rhythm of the highest notes, or of drums where there is nothing else."""
    if not len(sequence):
        return 0
    melodic = np.flatnonzero(~sequence.is_drum)
    heard = melodic if len(melodic) else np.arange(len(sequence))
    step = grid.quantize(sequence.start[heard], STEPS_PER_QUARTER)
    first = np.flatnonzero(np.append(True, step[1:] != step[:-1]))
    highest = np.maximum.reduceat(sequence.pitch[heard], first).astype(np.int64)
    moves = np.minimum(np.diff(step[first]), LONGEST) * 256 + np.diff(highest) + 128
    return int(phrases(moves.astype(np.uint64)).min(initial=np.iinfo(np.uint64).max))


def phrases(moves: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash (N - PHRASE + 1,) of every PHRASE moves of moves (N,); of fewer, padded, one hash."""
    hashes = np.append(moves, np.zeros(max(0, PHRASE - len(moves)), np.uint64))
    for doubling in range(DOUBLINGS):  # each pass hashes pairs of neighbours, twice as far apart as the last
        hashes = mixed(hashes[: -(2**doubling)] * np.uint64(GAMMA) + hashes[2**doubling :])
    return hashes
