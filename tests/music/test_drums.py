from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray

from musevae.music.drums import FULL, KITS, REDUCED, DrumsRepresentation
from musevae.music.midi import read_midi, write_midi
from musevae.music.note_sequence import Note, NoteSequence, TimeSignature

BAR = 16
TWO_BARS = DrumsRepresentation()
BITS = DrumsRepresentation(bits=True)
ALL_BITS = DrumsRepresentation(drum_classes=61, bits=True)
LAYOUTS = [TWO_BARS, BITS, ALL_BITS]
KICK, SNARE, CLOSED_HAT, OPEN_HAT = 1, 2, 4, 8  # what they add to an event
layouts = pytest.mark.parametrize("representation", LAYOUTS, ids=["classes", "bits", "61 bits"])


def beat(*hits: tuple[int, float], track: int = 0, time_signature: tuple[int, int] = (4, 4)) -> NoteSequence:
    """Hits as (pitch, start)."""
    notes = [Note(pitch, start, start + 0.1, is_drum=True, track=track) for pitch, start in hits]
    return NoteSequence.from_notes(notes, time_signature=time_signature)


def rest(steps: int) -> list[int]:
    return [0] * steps


# A slow and obvious reference


def expected_windows(notes: list[Note], bars: int, kit: tuple[tuple[int, ...], ...]) -> dict[int, list[set[int]]]:
    """Bar -> the classes struck at each step of the window, of a 4/4 piece."""
    struck: dict[int, set[int]] = {}
    for note in notes:
        for drum, pitches in enumerate(kit):
            if note.is_drum and note.pitch in pitches:
                struck.setdefault(math.floor(note.start * 4 + 0.5), set()).add(drum)
    if not struck:
        return {}
    first, last = min(struck) // BAR, math.ceil((max(struck) + 1) / BAR)
    windows = {
        bar + 1: [struck.get(step, set()) for step in range(bar * BAR, (bar + bars) * BAR)]
        for bar in range(first, last - bars + 1)
    }
    return {bar: window for bar, window in windows.items() if any(window)}


def classes_struck(representation: DrumsRepresentation, window: NDArray[Any]) -> list[set[int]]:
    if representation.bits:
        return [set(np.flatnonzero(row).tolist()) for row in window]
    return [{drum for drum in range(9) if event >> drum & 1} for event in window.tolist()]


@st.composite
def played_beats(draw: st.DrawFn) -> NoteSequence:
    """Hits of any pitch, off the grid, on several tracks, with other notes among them."""
    hit = st.tuples(st.integers(20, 90), st.integers(0, 1000), st.booleans(), st.integers(0, 2))
    rows = draw(st.lists(hit, max_size=60))
    return NoteSequence.from_notes(
        Note(pitch, time / 48, time / 48 + 0.2, 80, 0, is_drum, track) for pitch, time, is_drum, track in rows
    )


@layouts
@settings(max_examples=50)
@given(sequence=played_beats(), bars=st.integers(1, 3))
def test_windows_equal_the_slow_reference(
    representation: DrumsRepresentation, sequence: NoteSequence, bars: int
) -> None:
    representation = replace(representation, bars=bars)
    windows = representation.windows(sequence)
    ours = {
        bar: classes_struck(representation, window)
        for bar, window in zip(windows.bars.tolist(), windows.events, strict=True)
    }
    assert ours == expected_windows(sequence.notes, bars, KITS[representation.drum_classes])
    assert (windows.events.shape[1:], windows.events.dtype) == (representation.shape, representation.dtype)


# Events and notes undo each other


def some_events(representation: DrumsRepresentation, bars: int = 2) -> st.SearchStrategy[NDArray[Any]]:
    shape = (bars * BAR, *representation.shape[1:])
    elements = st.integers(0, representation.classes - 1)
    return arrays(representation.dtype, shape, elements=elements).filter(lambda events: events.any())


@layouts
@settings(max_examples=50)
@given(data=st.data())
def test_events_become_notes_and_the_same_events_again(
    representation: DrumsRepresentation, data: st.DataObject
) -> None:
    events = data.draw(some_events(representation))
    (again,) = representation.to_events(representation.from_events(events))
    assert np.array_equal(again, events)


@layouts
@settings(max_examples=20)
@given(data=st.data())
def test_events_written_as_midi_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, representation: DrumsRepresentation, data: st.DataObject
) -> None:
    events = data.draw(some_events(representation))
    path = tmp_path_factory.mktemp("beat") / "beat.mid"
    write_midi(representation.from_events(events, qpm=97.0), path)
    sequence = read_midi(path)
    assert sequence.is_drum.all()
    (again,) = representation.to_events(sequence)
    assert np.array_equal(again, events)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([rest(BAR), [KICK, *rest(15)], [*rest(15), SNARE]]), min_size=1, max_size=6))
def test_tune_of_any_length_gives_its_events_bar_by_bar(bars: list[list[int]]) -> None:
    events = [*rest(16), *(event for bar in bars for event in bar), KICK]
    windows = TWO_BARS.tune_windows(TWO_BARS.from_events(events))
    whole = events + rest(2 * BAR)
    for bar, window in zip(windows.bars.tolist(), windows.events.tolist(), strict=True):
        assert window == whole[(bar - 1) * BAR : (bar + 1) * BAR]


@pytest.mark.parametrize(
    ("representation", "events", "notes"),
    [
        (TWO_BARS, [KICK + CLOSED_HAT, 0, 256], [(36, 0.0), (42, 0.0), (51, 0.5)]),
        (TWO_BARS, [], []),
        (BITS, [[1, 0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0, 1]], [(36, 0.0), (38, 0.25), (51, 0.25)]),
        (ALL_BITS, np.eye(61, dtype=int)[[1, 18]], [(35, 0.0), (44, 0.25)]),
    ],
)
def test_events_mean_the_first_pitch_of_each_class_for_one_step(
    representation: DrumsRepresentation, events: ArrayLike, notes: list[tuple[int, float]]
) -> None:
    checked = np.array(events, np.int64)
    sequence = representation.from_events(checked, qpm=100)
    assert sequence.notes == [Note(pitch, start, start + 0.25, is_drum=True) for pitch, start in notes]
    assert (sequence.end_time, sequence.qpm) == (len(checked) / 4, 100)


@pytest.mark.parametrize(
    ("representation", "bad", "problem"),
    [
        (TWO_BARS, [512], r"0\.\.511; these reach 512\.\.512"),
        (TWO_BARS, [0.5], r"integers \(T,\)"),
        (BITS, [1, 0], r"integers \(T, 9\); these are int64 \(2,\)"),
        (BITS, [[2, 0, 0, 0, 0, 0, 0, 0, 0]], r"0\.\.1"),
    ],
)
def test_what_are_no_events_is_refused(representation: DrumsRepresentation, bad: ArrayLike, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        representation.from_events(np.array(bad))


# Which notes become which events: one rule each


def test_classes_are_magentas() -> None:
    assert [len(pitches) for pitches in REDUCED] == [2, 15, 11, 7, 7, 7, 5, 5, 4]
    assert [pitches[0] for pitches in REDUCED] == [36, 38, 42, 46, 45, 48, 50, 49, 51]
    assert len(FULL) == 61
    assert sum(FULL, ()) == tuple(
        pitch for pitches in (*REDUCED[:2], (42, 22, *REDUCED[2][1:-1]), (46, 26, *REDUCED[3][1:-1]), *REDUCED[4:])
        for pitch in pitches
    )  # fmt: skip


@pytest.mark.parametrize(("roland", "general_midi"), [(22, 42), (26, 46)])
@layouts
def test_edge_of_a_roland_hi_hat_is_a_hi_hat(
    representation: DrumsRepresentation, roland: int, general_midi: int
) -> None:
    ours, same = (representation.to_events(beat((pitch, 0.0)))[0] for pitch in (roland, general_midi))
    assert ours.any()
    assert np.array_equal(ours, same)


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([(36, 0.124), (38, 0.125)], [KICK, SNARE]),  # half a step is rounded up
        ([(36, 0.0), (35, 0.1), (42, 0.05)], [KICK + CLOSED_HAT]),  # of one class and step: one hit
        ([(36, 0.0), (20, 0.25), (90, 0.5), (46, 0.75)], [KICK, 0, 0, OPEN_HAT]),  # pitches of no class
    ],
)
def test_hits_become_events(hits: list[tuple[int, float]], expected: list[int]) -> None:
    (window,) = TWO_BARS.to_events(beat(*hits))
    assert window.tolist() == expected + rest(32 - len(expected))


def test_only_what_drums_play_aloud_counts() -> None:
    notes = [Note(36, 0, 1), Note(38, 0, 1, 0, 0, True), Note(42, 1, 1, is_drum=True)]
    (window,) = TWO_BARS.to_events(NoteSequence.from_notes(notes))
    assert np.flatnonzero(window).tolist() == [4]


def test_piece_begins_at_the_bar_of_its_first_hit_and_is_padded_to_a_whole_bar() -> None:
    windows = TWO_BARS.windows(beat((36, 9.0), (38, 12.0)))
    assert windows.events.tolist() == [[*rest(4), KICK, *rest(11), SNARE, *rest(15)]]
    assert windows.bars.tolist() == [3]


@pytest.mark.parametrize(
    ("sequence", "skipped"),
    [
        (beat((36, 0.0)), {"too short": 1}),
        (beat((36, 0.0), (36, 16.0)), {"silent window": 2}),
        (beat(), {"no notes": 1}),
        (beat((90, 0.0)), {"no drums": 1}),
        (NoteSequence.from_notes([Note(36, 0, 8)]), {"no drums": 1}),
        (beat((36, 0.0), (36, 4.0), time_signature=(3, 4)), {"metre": 1}),
        (beat((36, 0.0), (36, 2.0**28)), {"too long": 1}),
        (beat((36, 0.0), (36, 4.0)), {}),
    ],
)
def test_what_gives_no_window_is_counted(sequence: NoteSequence, skipped: dict[str, int]) -> None:
    assert TWO_BARS.windows(sequence).skipped == Counter(skipped)


# Tracks and metres

TRACKS = replace(
    NoteSequence.from_notes(
        [*beat((36, 0.0), (36, 4.0)).notes, *beat((38, 0.0), track=1).notes, Note(60, 0, 8, track=2)]
    ),
    track_names=("kit", "snares", "lead"),
)


@pytest.mark.parametrize(
    ("track", "first"), [(None, KICK + SNARE), ("kit", KICK), (1, SNARE), ("1", SNARE), ("snares", SNARE)]
)
def test_in_use_all_drums_play_unless_a_track_is_chosen(track: int | str | None, first: int) -> None:
    (window,) = TWO_BARS.to_events(TRACKS, track=track)
    assert window[0] == first


def test_training_takes_all_drums_together_or_the_named_tracks() -> None:
    assert TWO_BARS.windows(TRACKS).events[:, 0].tolist() == [KICK + SNARE]
    windows = TWO_BARS.windows(TRACKS, tracks=["kit"])
    assert windows.events[:, 0].tolist() == [KICK]
    assert windows.skipped == {"track not chosen": 2}
    assert TWO_BARS.windows(TRACKS, tracks=["lead"]).skipped == {"track not chosen": 2, "no drums": 1}


@pytest.mark.parametrize(
    ("sequence", "track", "problem"),
    [
        (TRACKS, "lead", "there are no drum notes on track 'lead'; the tracks with drum notes are: 0 kit, 1 snares"),
        (TRACKS.select(TRACKS.track == 2), None, "no drum plays in it: choose a file with notes on MIDI channel 10"),
        (beat(), None, "there is no note in it"),
        (beat((36, 0.0), time_signature=(3, 4)), None, "no bar of the tune fits 4/4; its metre is 3/4"),
    ],
)
def test_tune_without_a_window_says_why(sequence: NoteSequence, track: str | None, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TWO_BARS.to_events(sequence, track=track)


def test_window_begins_at_the_bar_asked_for() -> None:
    sequence = beat((36, 5.0), (38, 9.0))
    assert TWO_BARS.tune_windows(sequence, bar=3).events.tolist() == [[*rest(4), SNARE, *rest(27)]]
    with pytest.raises(ValueError, match="the window at bar 4 has no note: choose another bar"):
        TWO_BARS.tune_windows(sequence, bar=4)


def test_other_metres_have_windows_of_their_own_bars() -> None:
    waltz = replace(TWO_BARS, time_signature=(3, 4))
    (window,) = waltz.windows(beat((36, 0.0), (38, 3.0), time_signature=(3, 4))).events
    assert window.tolist() == [KICK, *rest(11), SNARE, *rest(11)]
    assert waltz.from_events(window).time_signatures == (TimeSignature(0, 3, 4),)


def test_hit_rounded_onto_a_change_of_metre_belongs_to_what_comes_after() -> None:
    signatures = (TimeSignature(0, 3, 4), TimeSignature(6, 4, 4))
    sequence = replace(beat((36, 5.97), (38, 10.0)), time_signatures=signatures)
    assert TWO_BARS.windows(sequence).events[:, 0].tolist() == [KICK]
    assert replace(TWO_BARS, time_signature=(3, 4)).windows(sequence).skipped == {"metre": 1}


# What models and figures need of it


@layouts
def test_tokens_are_one_integer_a_step(representation: DrumsRepresentation) -> None:
    events = np.zeros((3, *representation.shape), representation.dtype)
    events[0, 5] = representation.classes - 1
    tokens = representation.tokens(events)
    assert tokens.shape == (3, 32)
    assert tokens[0, 5] == 2**representation.drum_classes - 1
    assert np.flatnonzero(representation.onsets(tokens)).tolist() == [5]


def test_onsets_are_found_in_tensors_too() -> None:
    assert TWO_BARS.onsets(torch.tensor([[0, 1, 511]])).tolist() == [[False, True, True]]


@layouts
def test_drums_have_no_pitch_to_transpose(representation: DrumsRepresentation) -> None:
    events = np.ones((2, *representation.shape), representation.dtype)
    assert representation.pitched == 0
    assert np.array_equal(representation.at_lowest(events), events)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"drum_classes": 10}, "drum_classes is 10; it must be 9 or 61"),
        ({"drum_classes": 61}, r"61 drum classes have 2\^61 combinations: set bits=true"),
        ({"bars": 0}, "bars is 0"),
        ({"time_signature": (5, 3)}, "5/3"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        DrumsRepresentation(**parameters)
