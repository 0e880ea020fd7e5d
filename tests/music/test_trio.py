from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray

from musevae.music.drums import DrumsRepresentation
from musevae.music.melody import FIRST_NOTE, NO_EVENT, NOTE_OFF, MelodyRepresentation
from musevae.music.midi import read_midi, write_midi
from musevae.music.note_sequence import Note, NoteSequence, TimeSignature
from musevae.music.trio import TrioRepresentation

BAR = 16
TRIO = TrioRepresentation(bars=2)
FOUR_BARS = TrioRepresentation(bars=4, gap_bars=0)
PIANO, BASS, VIOLIN = 0, 33, 40


def piece(*parts: Iterable[Note], names: tuple[str, ...] = ()) -> NoteSequence:
    """The notes of each part on a track of its own."""
    notes = [note._replace(track=track) for track, part in enumerate(parts) for note in part]
    return replace(NoteSequence.from_notes(notes), track_names=names)


def part(program: int, *notes: tuple[int, float, float]) -> list[Note]:
    return [Note(*note, program=program) for note in notes]


def drums(*hits: tuple[int, float]) -> list[Note]:
    return [Note(pitch, start, start, is_drum=True) for pitch, start in hits]


def bar_long(pitch: int, *bars: int) -> list[tuple[int, float, float]]:
    """A note that fills each of these bars, the first being 1."""
    return [(pitch, 4 * bar - 4, 4 * bar) for bar in bars]


def kicks(*bars: int) -> list[Note]:
    return drums(*((36, 4 * bar - 4) for bar in bars))


def on(pitch: int) -> int:
    return FIRST_NOTE + pitch - 21


# Coverage


def magentas_piece() -> NoteSequence:
    """The piece of the tests of Magenta's TrioConverter: two melodies, a bass, drums."""
    return piece(
        part(0, (51, 13, 37)),
        part(10, (52, 4, 16)),
        part(BASS, (50, 2, 5), (49, 16, 25)),
        drums((35, 0), (40, 4), (35, 9), (35, 25), (40, 29)),
    )


def test_windows_are_those_of_magentas_own_test() -> None:
    representation = TrioRepresentation(bars=2, steps_per_quarter=1, gap_bars=1)
    windows = representation.windows(magentas_piece())
    assert windows.bars.tolist() == [3, 6, 7, 1, 2, 3]
    first, second, _, fourth, *_ = windows.events.tolist()
    assert first == [[0, 0, 0], [0, 0, 1], *[[0, 0, 0]] * 3, [on(51), 0, 0], [0, 0, 0], [0, 0, 0]]
    assert second[:2] == [[on(51), on(49), 0], [0, 0, 0]]  # Magenta loses notes held over the start of a window
    assert fourth == [
        *([0, 0, 1], [0, 0, 0], [0, on(50), 0], [0, 0, 0]),
        *([on(52), 0, 2], [0, NOTE_OFF, 0], [0, 0, 0], [0, 0, 0]),
    ]


def covered(part: list[Note], bar: int, gap: int) -> bool:
    """Whether any of the notes sounds within `gap` bars of a bar, the first being 0."""
    return any(note.start < 4 * (bar + gap + 1) and max(note.end, note.start + 0.25) > 4 * (bar - gap) for note in part)


def expected_bars(parts: list[list[Note]], bars: int, gap: int) -> list[int]:
    """The first bars of the windows that training takes."""
    notes = [note for part in parts for note in part]
    first = int(min(note.start for note in notes) // 4)
    last = int(-(-max(max(note.end, note.start + 0.25) for note in notes) // 4))
    lenient = {*range(first, first + gap), *range(last - gap, last)}
    kept = [bar in lenient or all(covered(part, bar, gap) for part in parts) for bar in range(first, last)]
    windows = [bar for bar in range(first, last - bars + 1) if all(kept[bar - first : bar - first + bars])]
    return [
        bar + 1 for bar in windows
        if any(note.start < 4 * (bar + bars) and max(note.end, note.start + 0.25) > 4 * bar for note in notes)
    ]  # fmt: skip


@st.composite
def played_parts(draw: st.DrawFn) -> list[list[Note]]:
    """A melody, a bass and drums with rests of any length, on the grid."""
    parts = []
    for program, is_drum in ((PIANO, False), (BASS, False), (0, True)):
        start, notes = draw(st.integers(0, 40)) / 4, []
        for _ in range(draw(st.integers(1, 12))):
            length = 0.25 if is_drum else draw(st.integers(1, 40)) / 4
            notes.append(Note(draw(st.integers(36, 50)), start, start + length, program=program, is_drum=is_drum))
            start += length + draw(st.sampled_from([0.0, 0.25, 1.0, 4.0, 9.0, 25.0]))
        parts.append(notes)
    return parts


@pytest.mark.parametrize("bars", [1, 2, 4])
@pytest.mark.parametrize("gap", [0, 1, 2])
@settings(max_examples=40)
@given(parts=played_parts())
def test_windows_lie_where_the_slow_reference_has_them(bars: int, gap: int, parts: list[list[Note]]) -> None:
    windows = replace(TRIO, bars=bars, gap_bars=gap).windows(piece(*parts))
    assert windows.bars.tolist() == expected_bars(parts, bars, gap)


@settings(max_examples=40)
@given(parts=played_parts())
def test_columns_are_the_melody_the_bass_and_the_drums_alone(parts: list[list[Note]]) -> None:
    windows = TRIO.windows(piece(*parts))
    alone = (MelodyRepresentation(), MelodyRepresentation(), DrumsRepresentation())
    for bar, window in zip(windows.bars.tolist(), windows.events, strict=True):
        for column, representation, notes in zip(window.T, alone, parts, strict=True):
            try:
                (expected,) = representation.tune_windows(piece(notes), bar=bar).events
            except ValueError:  # it has no note there
                expected = np.zeros(32)
            assert np.array_equal(column, expected)


@pytest.mark.parametrize(
    ("melody_bars", "gap", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], 0, [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 6, 7, 8], 0, [1]),
        ([1, 2, 3, 4, 6, 7, 8], 1, [1, 2, 3, 4, 5]),
        ([1, 2, 3, 6, 7, 8], 1, [1, 2, 3, 4, 5]),  # a bar's gap from either side
        ([1, 2, 6, 7, 8], 1, [5]),
        ([3, 4, 5, 6], 1, [1, 2, 3, 4, 5]),  # the first and the last bar count as covered
        ([4, 5, 6], 1, [3, 4, 5]),
    ],
)
def test_every_bar_needs_every_part_near_it(melody_bars: list[int], gap: int, expected: list[int]) -> None:
    every = range(1, 9)
    sequence = piece(part(PIANO, *bar_long(60, *melody_bars)), part(BASS, *bar_long(40, *every)), kicks(*every))
    windows = replace(FOUR_BARS, gap_bars=gap).windows(sequence)
    assert windows.bars.tolist() == expected
    assert windows.skipped == +Counter({"window without a part": 5 - len(expected)})


# Tracks

BARS = (1, 2)
LEAD, SECOND = part(PIANO, *bar_long(60, *BARS)), part(20, *bar_long(72, *BARS))
LOW, LOWER = part(BASS, *bar_long(40, *BARS)), part(39, *bar_long(30, *BARS))


def test_every_melody_goes_with_every_bass() -> None:
    windows = TRIO.windows(piece(LEAD, kicks(*BARS), LOW, SECOND, LOWER))
    firsts = [window[0] for window in windows.events.tolist()]
    assert firsts == [[on(a), on(b), 1] for a in (60, 72) for b in (40, 30)]
    assert (windows.events.shape, windows.events.dtype) == ((4, 32, 3), np.uint16)


def test_all_that_drums_play_is_one_part() -> None:
    (window,) = TRIO.windows(piece(LEAD, LOW, kicks(*BARS), drums((38, 0)))).events
    assert window[0].tolist() == [on(60), on(40), 3]


def test_of_chords_the_highest_note_wins_in_melody_and_bass() -> None:
    lead, low = ([*notes, *(note._replace(pitch=note.pitch + 7) for note in notes)] for notes in (LEAD, LOW))
    (window,) = TRIO.windows(piece(lead, low, kicks(*BARS))).events
    assert window[0].tolist() == [on(67), on(47), 1]


@pytest.mark.parametrize("other", [LOW[:1], part(VIOLIN, (70, 0, 1)), kicks(1)])
def test_track_of_two_families_is_no_part(other: list[Note]) -> None:
    windows = TRIO.windows(piece([*SECOND, *other], LEAD, LOW, kicks(*BARS)))
    assert windows.events[:, 0].tolist() == [[on(60), on(40), 1]]
    assert windows.skipped == {"mixed track": 1}


@pytest.mark.parametrize(
    ("parts", "skipped"),
    [
        ([LEAD, LOW], {"no drums": 1}),
        ([LOW, kicks(*BARS)], {"no melody": 1}),
        ([LEAD, kicks(*BARS), part(VIOLIN, (60, 0, 8))], {"no bass": 1, "other program": 1}),
        ([LEAD, part(BASS, (110, 0, 8)), kicks(*BARS)], {"no bass": 1, "out of range": 1}),
        ([LEAD[:1], LOW[:1], kicks(1)], {"too short": 1}),
        ([], {"no notes": 1}),
        ([LEAD, LOW, kicks(*BARS)], {}),
    ],
)
def test_what_gives_no_window_is_counted(parts: list[list[Note]], skipped: dict[str, int]) -> None:
    assert TRIO.windows(piece(*parts)).skipped == Counter(skipped)


def test_named_tracks_alone_are_taken() -> None:
    sequence = piece(LEAD, SECOND, LOW, kicks(*BARS), names=("lead", "second", "low", "kit"))
    windows = TRIO.windows(sequence, tracks=["second", "low", "kit"])
    assert windows.events[:, 0].tolist() == [[on(72), on(40), 1]]
    assert windows.skipped == {"track not chosen": 1}


def test_other_families_are_a_parameter() -> None:
    strings = replace(TRIO, melody_programs=(40, 51), bass_programs=(32, 39))
    (window,) = strings.windows(piece(LEAD, part(VIOLIN, *bar_long(80, *BARS)), LOW, kicks(*BARS))).events
    assert window[0].tolist() == [on(80), on(40), 1]
    assert sorted(set(strings.from_events(window).program.tolist())) == [0, 33, 40]


# In use

SONG = piece(
    part(PIANO, *bar_long(60, 1, 2)),
    part(PIANO, *bar_long(64, 1, 1, 2)),
    part(BASS, *bar_long(30, 1)),
    part(BASS, *bar_long(40, 1, 2)),
    part(VIOLIN, *bar_long(80, 1, 2)),
    kicks(1, 2),
    names=("lead", "second", "low", "lower", "violin", "kit"),
)


@pytest.mark.parametrize(
    ("track", "first"),
    [
        (None, [on(64), on(40), 1]),
        ("lead", [on(60), on(40), 1]),
        (0, [on(60), on(40), 1]),
        ("violin", [on(80), on(40), 1]),
        ("lower", [on(40), on(30), 1]),
    ],
)
def test_in_use_the_fullest_tracks_are_taken_unless_a_melody_is_chosen(
    track: int | str | None, first: list[int]
) -> None:
    (window,) = TRIO.to_events(SONG, track=track)
    assert window[0].tolist() == first


@pytest.mark.parametrize(
    ("melody_bars", "bass_bars", "expected"),
    [
        (range(1, 9), range(1, 9), [1, 2, 3, 4, 5]),
        (range(1, 9), [1, 2, 3, 4, 5], [1, 2]),  # where it can be, windows as in training
        ([1, 2, 3, 8], [3, 4], [1, 2, 3]),  # otherwise those that have every part,
        ([1, 2], [8], [1, 2, 3, 4, 5]),  # or else any note
        ([], [], [1, 2, 3, 4, 5]),
    ],
)
def test_tune_is_read_by_its_best_windows(
    melody_bars: Iterable[int], bass_bars: Iterable[int], expected: list[int]
) -> None:
    melody, bass = part(PIANO, *bar_long(60, *melody_bars)), part(BASS, *bar_long(40, *bass_bars))
    windows = FOUR_BARS.tune_windows(piece(melody, bass, kicks(*range(1, 9))))
    assert windows.bars.tolist() == expected


def test_pickup_in_a_metre_of_its_own_is_not_taken_for_the_tune() -> None:
    pickup = [*part(PIANO, (60, 0, 1)), *part(PIANO, *((62, beat, beat + 1) for beat in range(1, 9)))]
    sequence = piece(pickup, part(BASS, (40, 0, 1)), drums((36, 0)))
    windows = TRIO.tune_windows(replace(sequence, time_signatures=(TimeSignature(0, 1, 4), TimeSignature(1, 4, 4))))
    assert windows.events[:, 0].tolist() == [[on(62), 0, 0]]


def test_window_begins_at_the_bar_asked_for_whatever_plays_there() -> None:
    sequence = piece(LEAD, LOW, kicks(1, 4))
    windows = TRIO.tune_windows(sequence, bar=4)
    assert (windows.bars.tolist(), windows.events[0, 0].tolist()) == ([4], [0, 0, 1])
    with pytest.raises(ValueError, match="the window at bar 5 has no note"):
        TRIO.tune_windows(sequence, bar=5)


@pytest.mark.parametrize(
    ("sequence", "track", "problem"),
    [
        (piece(), None, "there is no note in it"),
        (
            piece(part(VIOLIN, (60, 0, 1)), [*LEAD, *LOW]),
            None,
            r"no track is a melody, a bass or drums by its program \(tracks left out: 1 mixed track, 1 other program\)"
            ": choose the melody with --track",
        ),
        (piece(part(PIANO, (110, 0, 1))), None, r"no track is a melody, .*\(tracks left out: 1 out of range\)"),
        (SONG, "kit", "there are no melodic notes on track 'kit'; the tracks with melodic notes are: 0 lead, 1 second"),
        (
            replace(SONG, time_signatures=(TimeSignature(0, 3, 4),)),
            None,
            "no bar of the tune fits 4/4; its metre is 3/4",
        ),
    ],
)
def test_tune_without_a_window_says_why(sequence: NoteSequence, track: str | None, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TRIO.to_events(sequence, track=track)


# Events and notes undo each other


def without_idle_note_offs(tokens: list[int]) -> list[int]:
    sounding, cleaned = False, []
    for token in tokens:
        cleaned.append(NO_EVENT if token == NOTE_OFF and not sounding else token)
        sounding = token >= FIRST_NOTE or (sounding and token == NO_EVENT)
    return cleaned


@st.composite
def some_events(draw: st.DrawFn, steps: int = 2 * BAR) -> NDArray[np.uint16]:
    """Events (T, 3) in the form in which windows come; any of the parts may be silent, not all."""
    silence = st.just([0] * steps)
    line = st.lists(st.one_of(st.just(NO_EVENT), st.just(NOTE_OFF), st.integers(2, 89)), min_size=steps, max_size=steps)
    hits = st.lists(st.integers(0, 511), min_size=steps, max_size=steps)
    melody, bass = (draw(st.one_of(silence, line.map(without_idle_note_offs))) for _ in range(2))
    columns = np.array([melody, bass, draw(st.one_of(silence, hits))], np.uint16).T
    if not columns.any():
        columns[draw(st.integers(0, steps - 1)), draw(st.integers(0, 2))] = FIRST_NOTE
    return columns


@settings(max_examples=60)
@given(events=some_events())
def test_events_become_notes_and_the_same_events_again(events: NDArray[np.uint16]) -> None:
    (again,) = TRIO.to_events(TRIO.from_events(events))
    assert np.array_equal(again, events)


@settings(max_examples=25)
@given(events=some_events(), qpm=st.sampled_from([33.3, 120.0, 241.0]))
def test_events_written_as_midi_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, events: NDArray[np.uint16], qpm: float
) -> None:
    path = tmp_path_factory.mktemp("trio") / "trio.mid"
    write_midi(TRIO.from_events(events, qpm=qpm), path)
    sequence = read_midi(path)
    assert set(sequence.program[~sequence.is_drum].tolist()) <= {PIANO, BASS}
    (again,) = TRIO.to_events(sequence)
    assert np.array_equal(again, events)


@settings(max_examples=20)
@given(arrays(np.int64, (20, 3), elements=st.integers(0, 89)))
def test_any_events_of_any_length_have_notes(events: NDArray[np.int64]) -> None:
    sequence = TRIO.from_events(events)
    assert sequence.end_time == 5
    assert len(sequence) == TRIO.onsets(events[:, :2]).sum() + sum(int(event).bit_count() for event in events[:, 2])


def test_parts_are_written_as_piano_bass_and_drums() -> None:
    sequence = TRIO.from_events([[on(60), on(40), 1], [NOTE_OFF, 0, 0]], qpm=90)
    assert sequence.notes == [
        Note(36, 0, 0.25, is_drum=True, track=2),
        Note(40, 0, 0.5, program=33, track=1),
        Note(60, 0, 0.25, program=0, track=0),
    ]
    assert (sequence.track_names, sequence.qpm) == (("melody", "bass", "drums"), 90)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ([[90, 0, 0]], r"must lie in 0\.\.89, 0\.\.89, 0\.\.511; these reach 0\.\.90"),
        ([[0, 0, 512]], r"these reach 0\.\.512"),
        ([0, 0, 0], r"must be integers \(T, 3\)"),
    ],
)
def test_what_are_no_events_is_refused(bad: ArrayLike, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TRIO.from_events(bad)


def test_other_metres_have_windows_of_their_own_bars() -> None:
    waltz = TrioRepresentation(bars=2, time_signature=(3, 4))
    sequence = piece(part(PIANO, (60, 0, 6)), part(BASS, (40, 0, 6)), drums((36, 0), (38, 3)))
    (window,) = waltz.windows(replace(sequence, time_signatures=(TimeSignature(0, 3, 4),))).events
    assert window.shape == waltz.shape == (24, 3)
    assert np.flatnonzero(window[:, 2]).tolist() == [0, 12]
    assert waltz.from_events(window).time_signatures == (TimeSignature(0, 3, 4),)


# What models and figures need of it


@pytest.mark.parametrize("make", [np.array, torch.tensor], ids=["array", "tensor"])
def test_onsets_are_notes_struck_and_drums_hit(make: Callable[..., Any]) -> None:
    onsets = TRIO.onsets(make([[[0, 1, 0], [1, 2, 1]]]))
    assert onsets.tolist() == [[[False, False, False], [False, True, True]]]


def test_windows_alike_up_to_transposition_of_both_parts_are_equal_at_the_lowest() -> None:
    chord = np.array([[[on(60), on(40), 1], [NOTE_OFF, 0, 2], [on(55), on(52), 0]]], np.uint16)
    shift = np.array([[[5, 5, 0], [0, 0, 0], [5, 5, 0]]], np.uint16)
    wider, other_drums = chord.copy(), chord.copy()
    wider[0, 0, 0] += 1
    other_drums[0, 0, 2] = 3
    same, moved, apart, hit = TRIO.at_lowest(np.concatenate([chord, chord + shift, wider, other_drums])).tolist()
    assert same == moved == [[on(41), on(21), 1], [NOTE_OFF, 0, 2], [on(36), on(33), 0]]
    assert apart != same
    assert hit != same


def test_windows_without_a_pitch_stay_at_the_lowest_as_they_are() -> None:
    events = np.array([[[0, 0, 511]], [[0, 1, 0]]], np.uint16)
    assert np.array_equal(TRIO.at_lowest(events), events)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"melody_programs": (0, 32)}, r"melody_programs \(0, 32\) and bass_programs \(32, 39\) overlap"),
        ({"bass_programs": (39, 32)}, r"bass_programs is \(39, 32\); it must be the first and the last program"),
        ({"bass_programs": (32, 128)}, r"within 0\.\.127"),
        ({"melody_programs": (0,)}, r"melody_programs is \(0,\)"),
        ({"gap_bars": -1}, "gap_bars is -1; it must be at least 0"),
        ({"min_pitch": 80, "max_pitch": 70}, r"80\.\.70"),
        ({"bars": 0}, "bars is 0"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TrioRepresentation(**parameters)


def test_lists_as_json_has_them_are_ranges_too() -> None:
    made: Any = TrioRepresentation
    assert made(melody_programs=[0, 31], time_signature=[4, 4]) == TrioRepresentation()
