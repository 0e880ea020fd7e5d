"""What music is in a corpus: counts and histograms to which every piece adds, small enough for a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
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
METRE = re.compile("[0-9]+/[0-9]+")
KEYS = {name: [f"{least:g}" for least in bins] for name, bins in BINS.items()}
EDGES = {name: np.array(bins, np.float64) for name, bins in BINS.items()}
EDGES["length_quarters"][1:] -= np.diff(LENGTHS) / 2


@dataclass(frozen=True)
class Statistics:
    """Counts, and histograms as name -> key of a bin -> count; `+` joins those of two corpora."""

    pieces: int = 0
    notes: int = 0
    windows: int = 0
    histograms: Mapping[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in BINS})

    @classmethod
    def of(cls, sequence: NoteSequence, windows: NDArray[Any]) -> Statistics:
        """Those of one piece and the windows (N, ...) that it gave."""
        drums, melodic = sequence.is_drum, ~sequence.is_drum
        filled, metres = _bars(sequence)
        counts = {
            "pitch": np.bincount(sequence.pitch[melodic]),
            "drum_pitch": np.bincount(sequence.pitch[drums]),
            "program": np.bincount(sequence.program[melodic]),
            "length_quarters": _binned("length_quarters", (sequence.end - sequence.start)[melodic]),
            "notes_per_bar": _binned("notes_per_bar", filled),
            "qpm": _tempos(sequence),
            "bars": _binned("bars", np.array([metres.total()])),
        }
        counts["notes_per_bar"][0] = metres.total() - len(filled)
        histograms = {name: _keyed(name, counts[name]) if name in counts else metres for name in BINS}
        return cls(1, len(sequence), len(windows), histograms)

    def __add__(self, other: Statistics) -> Statistics:
        counts: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Statistics(**counts, histograms={name: self.histograms[name] + other.histograms[name] for name in BINS})

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON, each histogram in order of its bins."""
        histograms = {name: dict(sorted(self.histograms[name].items(), key=_place)) for name in BINS}
        return {name: getattr(self, name) for name in COUNTS} | {"histograms": histograms}

    @classmethod
    def from_dict(cls, content: Any) -> Statistics:  # noqa: ANN401 - JSON
        """What `to_dict` gave; ValueError where it is damaged."""
        try:
            counts: dict[str, Any] = {name: _count(content[name]) for name in COUNTS}
            parts = {name: content["histograms"][name].items() for name in BINS}
            histograms = {name: Counter({_key(name, key): _count(n) for key, n in parts[name]}) for name in BINS}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"the statistics are damaged ({error}): prepare the dataset again") from None
        return cls(**counts, histograms=histograms)

    def bins(self, name: str) -> dict[str, int]:
        """A histogram with its empty bins, from the first to the last that is not."""
        counts = self.histograms[name]
        if name == "time_signature":
            return dict(sorted(counts.items(), key=_place))
        filled = [index for index, key in enumerate(KEYS[name]) if counts[key]]
        return {key: counts[key] for key in KEYS[name][filled[0] : filled[-1] + 1]} if filled else {}

    def rows(self, name: str) -> dict[str, int]:
        """A histogram for people: what its bins hold -> count, some bins taken together, empty ones left out."""
        if name == "time_signature":
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


def _key(name: str, key: str) -> str:
    if key not in KEYS[name] and not (name == "time_signature" and METRE.fullmatch(key)):
        raise ValueError(f"{key!r} is no bin of {name}")
    return key


def _count(number: object) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no count")
    return number
