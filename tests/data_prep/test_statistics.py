from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.statistics import BINS, Statistics, read_statistics
from musevae.music.note_sequence import Note, NoteSequence, Tempo, TimeSignature
from musevae.music.shards import DatasetError

WINDOWS = np.zeros((3, 32), np.uint8)
NOTHING = NoteSequence.from_notes([])
METRES = [(4, 4), (3, 4), (6, 8), (7, 8), (2, 2)]


@st.composite
def sequences(draw: st.DrawFn) -> NoteSequence:
    """Pieces on a grid of 64th notes, with changes of tempo and metre anywhere on it."""
    steps, pitches = st.integers(0, 640), st.integers(0, 127)
    row = st.tuples(pitches, steps, st.integers(0, 400), pitches, st.booleans())
    rows = draw(st.lists(row, max_size=30))
    notes = [Note(pitch, s / 16, (s + length) / 16, 80, program, drum) for pitch, s, length, program, drum in rows]
    changes = [0, *sorted(draw(st.sets(st.integers(1, 640), max_size=3)))]
    metres = [TimeSignature(time / 16, *draw(st.sampled_from(METRES))) for time in changes]
    tempos = [Tempo(time / 16, draw(st.sampled_from([3.0, 60.0, 119.9, 120.0, 1000.0]))) for time in changes]
    return replace(NoteSequence.from_notes(notes), tempos=tuple(tempos), time_signatures=tuple(metres))


def bin_of(name: str, value: float) -> str:
    """The key of the bin that a value belongs to."""
    if name == "length_quarters":
        return f"{min(reversed(BINS[name]), key=lambda length: abs(length - value)):g}"
    return f"{max(least for least in BINS[name] if least <= value):g}"


def bars(sequence: NoteSequence) -> list[tuple[Fraction, Fraction, str]]:
    """Every bar up to the last note's end, one after the other: start, end, metre."""
    last = max([(Fraction(note.end), Fraction(note.start)) for note in sequence.notes], default=None)
    changes = [*sequence.time_signatures, TimeSignature(math.inf, 4, 4)]
    found, time, index = [], Fraction(0), 0
    while last and (time < last[0] or any(time <= note.start for note in sequence.notes)):
        if time >= changes[index + 1].time:
            index += 1
        signature, change = changes[index], changes[index + 1].time
        end = time + Fraction(4 * signature.numerator, signature.denominator)
        end = end if end <= change else Fraction(change)
        found.append((time, end, f"{signature.numerator}/{signature.denominator}"))
        time = end
    return found


def at(changes: tuple[Any, ...], time: float) -> Any:  # noqa: ANN401 - a Tempo or a TimeSignature
    return [change for change in changes if change.time <= time][-1]


def reference(sequence: NoteSequence) -> dict[str, Counter[str]]:
    """The histograms, note by note and bar by bar."""
    found: dict[str, Counter[str]] = {name: Counter() for name in BINS}
    for note in sequence.notes:
        found["qpm"][bin_of("qpm", at(sequence.tempos, note.start).qpm)] += 1
        if note.is_drum:
            found["drum_pitch"][str(note.pitch)] += 1
        else:
            found["pitch"][str(note.pitch)] += 1
            found["program"][str(note.program)] += 1
            found["length_quarters"][bin_of("length_quarters", note.end - note.start)] += 1
    for start, end, metre in bars(sequence):
        count = sum(start <= note.start < end for note in sequence.notes)
        found["notes_per_bar"][bin_of("notes_per_bar", count)] += 1
        found["time_signature"][metre] += 1
    found["bars"][bin_of("bars", len(bars(sequence)))] += 1
    return found


@settings(max_examples=50)
@given(sequences())
def test_histograms_are_those_of_the_slow_way(sequence: NoteSequence) -> None:
    statistics = Statistics.of(sequence, WINDOWS)
    assert (statistics.pieces, statistics.notes, statistics.windows) == (1, len(sequence), 3)
    assert statistics.histograms == reference(sequence)


@settings(max_examples=20)
@given(sequences(), sequences(), sequences())
def test_joining_is_in_any_order_and_nothing_is_neutral(a: NoteSequence, b: NoteSequence, c: NoteSequence) -> None:
    x, y, z = (Statistics.of(sequence, WINDOWS) for sequence in (a, b, c))
    assert (x + y) + z == x + (y + z)
    assert x + y == y + x
    assert x + Statistics() == x


@settings(max_examples=20)
@given(sequences(), sequences())
def test_json_gives_the_same_back_and_is_always_the_same(a: NoteSequence, b: NoteSequence) -> None:
    x, y = (Statistics.of(sequence, WINDOWS) for sequence in (a, b))
    written = json.dumps((x + y).to_dict())
    assert written == json.dumps((y + x).to_dict())
    assert Statistics.from_dict(json.loads(written)) == x + y


@pytest.mark.parametrize(
    "damage",
    [
        {"notes": -1},
        {"notes": True},
        {"notes": None},
        {"histograms": []},
        {"histograms": {}},
        {"histograms": {**Statistics().to_dict()["histograms"], "pitch": {"128": 1}}},
        {"histograms": {**Statistics().to_dict()["histograms"], "pitch": {"60": 1.5}}},
        {"histograms": {**Statistics().to_dict()["histograms"], "time_signature": {"four": 1}}},
    ],
)
def test_damage_is_an_error(damage: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="statistics are damaged"):
        Statistics.from_dict({**Statistics().to_dict(), **damage})


@pytest.mark.parametrize("content", [None, [], {}, 3])
def test_what_is_no_object_is_an_error(content: object) -> None:
    with pytest.raises(ValueError, match="statistics are damaged"):
        Statistics.from_dict(content)


def test_a_note_that_lasts_for_ages_costs_no_memory() -> None:
    statistics = Statistics.of(NoteSequence.from_notes([Note(60, 0, 1), Note(62, 2.0**40, 2.0**40 + 1)]), WINDOWS)
    assert statistics.histograms["time_signature"] == {"4/4": 2**38 + 1}
    assert statistics.histograms["bars"] == {"1024": 1}


def test_bins_are_trimmed_and_rows_say_what_they_hold() -> None:
    notes = [Note(48, 0, 1, program=40), Note(59, 1, 1.5, program=47), Note(60, 2, 2.5), Note(36, 0, 1, is_drum=True)]
    statistics = Statistics.of(NoteSequence.from_notes(notes, qpm=130), WINDOWS)
    assert list(statistics.bins("pitch")) == [str(pitch) for pitch in range(48, 61)]
    assert statistics.bins("length_quarters") == {"0.5": 2, "0.75": 0, "1": 1}
    assert statistics.rows("pitch") == {"48-59": 2, "60-71": 1}
    assert statistics.rows("program") == {"piano": 1, "strings": 2}
    assert statistics.rows("drum_pitch") == {"36": 1}
    assert statistics.rows("qpm") == {"120-139": 4}
    assert statistics.rows("notes_per_bar") == {"4-5": 1}
    assert statistics.rows("time_signature") == statistics.bins("time_signature") == {"4/4": 1}


def test_of_nothing_there_is_nothing() -> None:
    statistics = Statistics.of(NOTHING, WINDOWS[:0])
    assert [name for name in BINS if statistics.bins(name)] == ["bars"]
    assert statistics.rows("bars") == {"0": 1}


def test_a_dataset_without_statistics_has_none_and_damaged_ones_name_the_file(dataset: Path, tmp_path: Path) -> None:
    assert read_statistics(dataset) is None
    manifest = json.loads((dataset / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "statistics": {}}))
    with pytest.raises(DatasetError, match=r"manifest\.json: the statistics are damaged"):
        read_statistics(tmp_path)
