"""What a piece is, whatever its file: a number that transposed, re-tempoed and lightly edited copies share.

The least of the hashes of all phrases of a piece (min-wise hashing, Broder 1997): two versions have the same one with
the probability that a phrase of theirs is in both, and none needs to know of the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musevae.music import grid
from musevae.music.note_sequence import NoteSequence

STEPS_PER_QUARTER = 4
DOUBLINGS = 5
PHRASE = 2**DOUBLINGS  # onsets, each with the interval and the time to the next
LONGEST = 255  # steps between onsets: longer rests are alike
MULTIPLIERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64


def fingerprint(sequence: NoteSequence) -> int:
    """64 bits from the intervals and rhythm of the highest notes, or of drums where there is nothing else."""
    if not len(sequence):
        return 0
    heard = ~sequence.is_drum | sequence.is_drum.all()
    step = grid.quantize(sequence.start[heard], STEPS_PER_QUARTER)
    first = np.flatnonzero(np.append(True, step[1:] != step[:-1]))
    highest = np.maximum.reduceat(sequence.pitch[heard].astype(np.int64), first)
    moves = np.minimum(np.diff(step[first]), LONGEST) * 256 + np.diff(highest) + 128
    return int(phrases(moves.astype(np.uint64)).min(initial=np.iinfo(np.uint64).max))


def phrases(moves: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash (N - PHRASE + 1,) of every PHRASE moves of moves (N,); of fewer, padded, one hash."""
    hashes = np.pad(moves, (0, max(0, PHRASE - len(moves))))
    for doubling in range(DOUBLINGS):  # each pass hashes pairs of neighbours, twice as far apart as the last
        hashes = _mixed(hashes[: -(2**doubling)] * np.uint64(MULTIPLIERS[0]) + hashes[2**doubling :])
    return hashes


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The values, every bit of each depending on all of them: the end of splitmix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(MULTIPLIERS[1])
    values = (values ^ (values >> np.uint64(27))) * np.uint64(MULTIPLIERS[2])
    return values ^ (values >> np.uint64(31))
