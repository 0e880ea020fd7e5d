"""What music is in a corpus: counts and histograms to which every piece adds, small enough for a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musevae.music.grid import TOLERANCE_QUARTERS
from musevae.music.note_sequence import DEFAULT_QPM, NoteSequence, Tempo, TimeSignature
from musevae.music.shards import MANIFEST, DatasetError, read_manifest

LENGTHS = (0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 16)
BINS: dict[str, Sequence[float]] = {  # histogram -> the least value of each bin, which is its key; the last is open
    "pitch": range(128),  # notes, drums left out
    "drum_pitch": range(128),  # notes of drums
    "program": range(128),  # notes, drums left out
    "length_quarters": LENGTHS,  # notes, drums left out; a length counts as the nearest of these
    "notes_per_bar": (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128),  # bars, by how many notes begin there
    "time_signature": (),  # bars; the keys are "4/4" and the like
    "qpm": range(0, 310, 10),  # notes, by the tempo at which they begin
    "bars": (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),  # pieces, up to the end of the last note
}
TOGETHER = {"pitch": 12, "program": 8, "qpm": 2}  # how many bins people see as one
FAMILIES = (  # of 8 General MIDI programs each
    *("piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass"),
    *("reed", "pipe", "synth lead", "synth pad", "synth effects", "ethnic", "percussive", "sound effects"),
)
COUNTS = ("pieces", "notes", "windows")
METRES = "time_signature"  # the histogram whose keys are not known beforehand
HIGHEST = 128  # and more than any pitch or program
METRE = re.compile("[0-9]+/[0-9]+")
KEYS = {name: [f"{least:g}" for least in bins] for name, bins in BINS.items()}
EDGES = {name: np.array(bins, np.float64) for name, bins in BINS.items()}
EDGES["length_quarters"][1:] -= np.diff(LENGTHS) / 2


def _places() -> dict[str, slice]:
    """Where in an array of all counts those of each histogram but the time signatures are."""
    ends = list(accumulate((len(edges) for edges in EDGES.values()), initial=len(COUNTS)))
    return {name: slice(*ends[index : index + 2]) for index, name in enumerate(BINS) if name != METRES}


PLACES = _places()
SIZE = max(place.stop for place in PLACES.values())


@dataclass(frozen=True, eq=False)
class Statistics:
    """Counts, and histograms as name -> key of a bin -> count; `+` joins those of two corpora."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SIZE, np.int64))  # pieces, notes, windows, bins
    metres: Counter[str] = field(default_factory=Counter)  # time signature -> bars

    @classmethod
    def of(cls, sequence: NoteSequence, windows: NDArray[Any]) -> Statistics:
        """Those of one piece and the windows (N, ...) that it gave."""
        melodic = np.flatnonzero(~sequence.is_drum)
        filled, metres = _bars(sequence)
        pitch = sequence.pitch % HIGHEST
        found = {
            "pitch": np.bincount(pitch[melodic], minlength=HIGHEST),
            "program": np.bincount(sequence.program[melodic], minlength=HIGHEST),
            "length_quarters": _binned("length_quarters", (sequence.end - sequence.start)[melodic]),
            "notes_per_bar": _binned("notes_per_bar", filled),
            "qpm": _tempos(sequence),
            "bars": _binned("bars", np.array([metres.total()])),
        }
        found["drum_pitch"] = np.bincount(pitch, minlength=HIGHEST) - found["pitch"]
        found["notes_per_bar"][0] = metres.total() - len(filled)
        counts = np.empty(SIZE, np.int64)
        counts[: len(COUNTS)] = 1, len(sequence), len(windows)
        for name, place in PLACES.items():
            counts[place] = found[name]
        return cls(counts, metres)

    @property
    def pieces(self) -> int:
        """How many pieces were counted."""
        return int(self.counts[0])

    @property
    def notes(self) -> int:
        """How many notes they have."""
        return int(self.counts[1])

    @property
    def windows(self) -> int:
        """How many windows they gave."""
        return int(self.counts[2])

    @property
    def histograms(self) -> dict[str, Counter[str]]:
        """Name -> key of a bin -> count, empty bins left out."""
        return {name: _keyed(name, self.counts[PLACES[name]]) if name in PLACES else self.metres for name in BINS}

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(self.counts + other.counts, self.metres + other.metres)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON, each histogram in order of its bins."""
        histograms = {name: dict(sorted(counts.items(), key=_place)) for name, counts in self.histograms.items()}
        return dict(zip(COUNTS, self.counts.tolist(), strict=False)) | {"histograms": histograms}

    @classmethod
    def from_dict(cls, content: Any) -> Statistics:  # noqa: ANN401 - JSON
        """What `to_dict` gave; ValueError where it is damaged."""
        counts = np.zeros(SIZE, np.int64)
        try:
            counts[: len(COUNTS)] = [_count(content[name]) for name in COUNTS]
            parts = {name: dict(content["histograms"][name].items()) for name in BINS}
            for name, place in PLACES.items():
                for key, count in parts[name].items():
                    counts[place][_index(name, key)] = _count(count)
            metres = Counter({_metre(key): _count(count) for key, count in parts[METRES].items()})
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise ValueError(f"the statistics are damaged ({error}): prepare the dataset again") from None
        return cls(counts, metres)

    def bins(self, name: str) -> dict[str, int]:
        """A histogram with its empty bins, from the first to the last that is not."""
        counts = self.histograms[name]
        if name == METRES:
            return dict(sorted(counts.items(), key=_place))
        filled = [index for index, key in enumerate(KEYS[name]) if counts[key]]
        return {key: counts[key] for key in KEYS[name][filled[0] : filled[-1] + 1]} if filled else {}

    def rows(self, name: str) -> dict[str, int]:
        """A histogram for people: what its bins hold -> count, some bins taken together, empty ones left out."""
        if name == METRES:
            return self.bins(name)
        rows: Counter[str] = Counter()
        for index, key in enumerate(KEYS[name]):
            rows[_label(name, index)] += self.histograms[name][key]
        return dict(+rows)


def read_statistics(folder: Path) -> Statistics | None:
    """What a dataset's manifest says of its music, None where it says nothing; DatasetError where it is damaged."""
    content = read_manifest(folder).get("statistics")
    try:
        return None if content is None else Statistics.from_dict(content)
    except ValueError as error:
        raise DatasetError(f"{folder / MANIFEST}: {error}") from None


def _label(name: str, index: int) -> str:
    """What a bin holds, or the bins that people see as one with it."""
    size = TOGETHER.get(name, 1)
    first = index // size * size
    if name == "program":
        return FAMILIES[first // size]
    if name == "length_quarters":
        return KEYS[name][first]
    least, after = BINS[name][first], BINS[name][first + size :][:1]
    return f"{least}+" if not after else f"{least}" if after[0] == least + 1 else f"{least}-{after[0] - 1}"


def _binned(name: str, values: NDArray[Any], weights: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """How many of the values (N,) lie in each bin of a histogram."""
    edges = EDGES[name]
    bins = np.searchsorted(edges[1:], values, side="right")
    return np.bincount(bins, weights, minlength=len(edges)).astype(np.int64)


def _keyed(name: str, counts: NDArray[np.int64]) -> Counter[str]:
    """Counts (bins,) by the keys of their bins, empty ones left out."""
    return Counter({key: count for key, count in zip(KEYS[name], counts.tolist(), strict=False) if count})


def _tempos(sequence: NoteSequence) -> NDArray[np.int64]:
    """How many notes begin at a tempo of each bin."""
    tempos = sequence.tempos or (Tempo(0.0, DEFAULT_QPM),)
    first = np.searchsorted(sequence.start, [tempo.time for tempo in tempos[1:]])
    notes = np.diff(np.concatenate([[0], first, [len(sequence)]]))
    return _binned("qpm", np.array([tempo.qpm for tempo in tempos]), notes)


def _bars(sequence: NoteSequence) -> tuple[NDArray[np.int64], Counter[str]]:
    """How many notes begin in each bar (N,) that has any, and how many bars there are of each time signature.

    A change of metre within a bar cuts that bar short and begins a new one.
    """
    if not len(sequence):
        return np.empty(0, np.int64), Counter()
    signatures = sequence.time_signatures or (TimeSignature(0.0, 4, 4),)
    stretches = [(later.time - earlier.time) / earlier.bar_quarters for earlier, later in pairwise(signatures)]
    first = [0, *accumulate(ceil(bars - TOLERANCE_QUARTERS) for bars in stretches)]
    times, lengths, offsets = np.array(
        [[s.time, s.bar_quarters, bar] for s, bar in zip(signatures, first, strict=True)]
    ).T
    moments = np.append(sequence.start, sequence.end.max())
    at = np.searchsorted(times[1:], moments, side="right")
    positions = offsets[at] + (moments - times[at]) / lengths[at]
    starts = np.floor(positions[:-1] + TOLERANCE_QUARTERS).clip(0)
    count = int(max(starts[-1] + 1, np.ceil(positions[-1] - TOLERANCE_QUARTERS)))
    metres: Counter[str] = Counter()
    for signature, begin, end in zip(signatures, first, [*first[1:], count], strict=True):
        metres[f"{signature.numerator}/{signature.denominator}"] += min(end, count) - min(begin, count)
    last_notes = np.append(np.flatnonzero(starts[1:] != starts[:-1]), len(starts) - 1)
    return np.diff(last_notes, prepend=-1), +metres


def _place(item: tuple[str, int]) -> tuple[float, ...]:
    """Where a key and its count stand among those of their histogram."""
    return tuple(map(float, item[0].split("/")))


def _index(name: str, key: str) -> int:
    if key not in KEYS[name]:
        raise ValueError(f"{key!r} is no bin of {name}")
    return KEYS[name].index(key)


def _metre(key: str) -> str:
    if not METRE.fullmatch(key):
        raise ValueError(f"{key!r} is no time signature")
    return key


def _count(number: object) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no count")
    return number
