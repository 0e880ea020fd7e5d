from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musevae.music.melody import FIRST_NOTE, NO_EVENT, NOTE_OFF, MelodyRepresentation
from musevae.music.midi import parse_midi, read_midi, write_midi
from musevae.music.note_sequence import Note, NoteSequence, Tempo, TimeSignature
from musevae.music.voices import Voices

BAR = 16
TWO_BARS = MelodyRepresentation()
ONE_BAR = MelodyRepresentation(bars=1)


def on(pitch: int) -> int:
    return 2 + pitch - 21


def rest(steps: int) -> list[int]:
    return [NO_EVENT] * steps


def tune(*notes: tuple[Any, ...], time_signature: tuple[int, int] = (4, 4)) -> NoteSequence:
    return NoteSequence.from_notes([Note(*note) for note in notes], time_signature=time_signature)


# Two slow and obvious references: Magenta's melodies (MUSICVAE.md 1.9) and our windows (DESIGN.md, section 4)


class Slice(NamedTuple):
    """A slice as Magenta cuts it, and the pitch that it loses: that of a note held over its start."""

    bar: int  # the piece's first being 1
    events: list[int]
    held: int | None


def quantized(notes: Sequence[Note]) -> list[tuple[int, int, int]]:
    """(start, end, pitch) in steps of a 16th, by start, the highest first."""
    rows = []
    for note in notes:
        start, end = math.floor(note.start * 4 + 0.5), math.floor(note.end * 4 + 0.5)
        if not note.is_drum and note.velocity and 21 <= note.pitch <= 108:
            rows.append((start, max(end, start + 1), note.pitch))
    return sorted(rows, key=lambda row: (row[0], -row[2]))


def magenta_melodies(rows: Sequence[tuple[int, int, int]]) -> list[tuple[int, dict[int, int]]]:
    """(first step, step -> token) of each melody: begins at the bar of its first note, ends after a rest of a bar."""
    melodies: list[tuple[int, dict[int, int]]] = []
    events: dict[int, int] = {}
    last_on = last_off = 0
    for start, end, pitch in rows:
        if events and start == last_on:
            continue  # a lower note on the same step
        if not events or start - last_off >= BAR:
            events = {}
            melodies.append((start - start % BAR, events))
        for step in [step for step in events if step >= start]:
            del events[step]  # the sounding note is cut
        events[start], events[end] = on(pitch), NOTE_OFF
        last_on, last_off = start, end
    return melodies


def magenta_slices(notes: Sequence[Note], bars: int) -> list[Slice]:
    """The slices of one track of a 4/4 piece, hop one bar."""
    slices = []
    for first, events in magenta_melodies(quantized(notes)):
        last = max(events)  # the note-off at the end, which is stripped; padded to a whole bar
        total = first + math.ceil((last - first) / BAR) * BAR
        for head in range(first, total - bars * BAR + 1, BAR):
            cut = [events.get(step, NO_EVENT) for step in range(head, head + bars * BAR)]
            before = [events[step] for step in sorted(events) if step < head]
            held = before[-1] if before and before[-1] != NOTE_OFF and cut[0] == NO_EVENT else None
            slices.append(Slice(head // BAR + 1, without_leading_off(cut), held))
    return slices


def without_leading_off(events: list[int]) -> list[int]:
    """A slice whose note-offs before its first note are no events."""
    first = next((step for step, token in enumerate(events) if token > NOTE_OFF), len(events))
    return rest(first) + events[first:]


def expected_windows(notes: Sequence[Note], bars: int) -> dict[int, list[int]]:
    """Bar -> window of one track of a 4/4 piece, from what sounds at each step."""
    sounding = what_sounds(quantized(notes))
    first, last = min(sounding) // BAR, math.ceil((max(sounding) + 1) / BAR)
    return windows_at(sounding, range(first, last - bars + 1), bars)


def expected_windows_in_use(notes: Sequence[Note], bars: int) -> dict[int, list[int]]:
    """The same with the rests before it, as far as they fit a window, and padded to a window at least."""
    sounding = what_sounds(quantized(notes))
    first, last = min(sounding) // BAR, math.ceil((max(sounding) + 1) / BAR)
    first = 0 if first < bars else first
    return windows_at(sounding, range(first, max(first + 1, last - bars + 1)), bars)


def what_sounds(rows: Sequence[tuple[int, int, int]]) -> dict[int, tuple[int, int]]:
    """Step -> (pitch, step of its onset)."""
    onsets: dict[int, tuple[int, int]] = {}
    for start, end, pitch in reversed(rows):
        onsets[start] = (end, pitch)  # the highest comes last
    sounding: dict[int, tuple[int, int]] = {}
    for start in sorted(onsets):
        end, pitch = onsets[start]
        sounding = {step: value for step, value in sounding.items() if step < start}
        sounding |= dict.fromkeys(range(start, end), (pitch, start))
    return sounding


def windows_at(sounding: dict[int, tuple[int, int]], first_bars: range, bars: int) -> dict[int, list[int]]:
    windows = {bar + 1: window_at(sounding, bar * BAR, bars * BAR) for bar in first_bars}
    return {bar: window for bar, window in windows.items() if max(window) > NOTE_OFF}


def window_at(sounding: dict[int, tuple[int, int]], head: int, steps: int) -> list[int]:
    events, previous = [], None
    for step in range(head, head + steps):
        now = sounding.get(step)
        events.append(NO_EVENT if now == previous else on(now[0]) if now else NOTE_OFF)
        previous = now
    return events


# Notes as people play them: off the grid, overlapping now and then, with rests of any length


@st.composite
def played_tunes(draw: st.DrawFn, longest: float = 30.0) -> NoteSequence:
    """A melody of one track with few chords, 4/4."""
    start, notes = draw(st.integers(0, 200)) / 16, []
    for _ in range(draw(st.integers(1, 25))):
        length = draw(st.integers(0, 90)) / 16
        notes.append(Note(draw(st.integers(18, 111)), start, start + length))
        start += draw(st.one_of(st.integers(4, 24), st.integers(1, int(longest * 16)))) / 16
    return NoteSequence.from_notes(notes, qpm=draw(st.sampled_from([60.0, 120.0, 187.5])))


def by_bar(representation: MelodyRepresentation, sequence: NoteSequence) -> dict[int, list[int]]:
    windows = representation.windows(sequence)
    return dict(zip(windows.bars.tolist(), windows.events.tolist(), strict=True))


@pytest.mark.parametrize("bars", [1, 2, 4])
@settings(max_examples=60)
@given(played_tunes())
def test_windows_contain_magentas_slices_and_strike_held_notes_again(bars: int, sequence: NoteSequence) -> None:
    ours = by_bar(replace(TWO_BARS, bars=bars, max_chord_share=1.0), sequence)
    for bar, events, held in magenta_slices(sequence.notes, bars):
        window = ours[bar]
        assert window[0] == (held or events[0])
        assert without_leading_off([NO_EVENT, *window[1:]] if held else window) == events


@pytest.mark.parametrize("bars", [1, 2, 3])
@settings(max_examples=60)
@given(sequence=played_tunes())
def test_windows_equal_the_slow_reference(bars: int, sequence: NoteSequence) -> None:
    ours = by_bar(replace(TWO_BARS, bars=bars, max_chord_share=1.0), sequence)
    assert ours == (expected_windows(sequence.notes, bars) if quantized(sequence.notes) else {})


@settings(max_examples=40)
@given(played_tunes(), st.integers(1, 4))
def test_windows_do_not_depend_on_the_tempo(sequence: NoteSequence, quarters: int) -> None:
    changing = replace(sequence, tempos=(Tempo(0, 60), Tempo(quarters, 200), Tempo(quarters + 0.3, 33)))
    assert np.array_equal(TWO_BARS.windows(changing).events, TWO_BARS.windows(sequence).events)


@pytest.mark.parametrize("archive", ["oneill", "ryan"])
def test_real_tunes_give_magentas_slices(archive: str, repository: Path) -> None:
    path = repository.parent / "shared" / "data" / "melody" / f"{archive}.zip"
    if not path.exists():
        pytest.skip(f"no {path}")
    compared = 0
    with ZipFile(path) as members:
        for name in sorted(members.namelist())[:60]:
            sequence = parse_midi(members.read(name), name) if name.endswith(".mid") else tune()
            if {signature[1:] for signature in sequence.time_signatures} <= {(4, 4), (2, 2), (2, 4)} and len(sequence):
                ours = by_bar(replace(TWO_BARS, max_chord_share=1.0), sequence)
                slices = [cut for cut in magenta_slices(sequence.notes, 2) if cut.held is None]
                assert all(ours[cut.bar] == cut.events for cut in slices)
                compared += len(slices)
    assert compared > 100


# Events and notes undo each other


def canonical(tokens: list[int]) -> list[int]:
    """Tokens in the form in which windows come: with a note, and no note-off where nothing sounds."""
    sounding, cleaned = False, []
    for token in tokens if max(tokens) > NOTE_OFF else [*tokens[:-1], on(60)]:
        cleaned.append(NO_EVENT if token == NOTE_OFF and not sounding else token)
        sounding = token > NOTE_OFF or (sounding and token == NO_EVENT)
    return cleaned


def events(bars: int = 2) -> st.SearchStrategy[list[int]]:
    token = st.one_of(st.just(NO_EVENT), st.just(NOTE_OFF), st.integers(2, 89))
    return st.lists(token, min_size=bars * BAR, max_size=bars * BAR).map(canonical)


@given(events())
def test_events_become_notes_and_the_same_events_again(tokens: list[int]) -> None:
    (again,) = TWO_BARS.to_events(TWO_BARS.from_events(tokens))
    assert again.tolist() == tokens


@settings(max_examples=25)
@given(tokens=events(), qpm=st.sampled_from([33.3, 120.0, 241.0]))
def test_events_written_as_midi_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, tokens: list[int], qpm: float
) -> None:
    path = tmp_path_factory.mktemp("tune") / "tune.mid"
    write_midi(TWO_BARS.from_events(tokens, qpm=qpm), path)
    (again,) = TWO_BARS.to_events(read_midi(path))
    assert again.tolist() == tokens


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([rest(BAR), [on(60), *rest(15)], [*rest(15), on(62)], [0, 0, 1, *rest(13)]]), max_size=6)
)
def test_tune_of_any_length_gives_a_window_at_each_bar(bars: list[list[int]]) -> None:
    sequence = TWO_BARS.from_events(canonical([*chain(*bars), on(64)]))
    ours = TWO_BARS.tune_windows(sequence)
    expected = expected_windows_in_use(sequence.notes, 2)
    assert dict(zip(ours.bars.tolist(), ours.events.tolist(), strict=True)) == expected


def test_windows_of_our_sample_tunes_are_read_back(repository: Path) -> None:
    for path in sorted((repository / "samples" / "inputs").glob("*.mid")):
        sequence = read_midi(path)
        if sequence.is_drum.all():
            continue
        _, numerator, denominator = sequence.time_signatures[0]
        representation = replace(TWO_BARS, time_signature=(numerator, denominator))
        for window in representation.to_events(sequence):
            (again,) = representation.to_events(representation.from_events(window))
            assert again.tolist() == window.tolist()


@pytest.mark.parametrize(
    ("tokens", "notes"),
    [
        ([on(60), 0, 0, 0, NOTE_OFF, 0, 0, 0], [(60, 0, 1)]),
        ([0, 0, on(60), 0], [(60, 0.5, 1)]),  # held to the end
        ([on(60), on(60), on(62), NOTE_OFF], [(60, 0, 0.25), (60, 0.25, 0.5), (62, 0.5, 0.75)]),
        ([NOTE_OFF, NOTE_OFF, 2, 89], [(21, 0.5, 0.75), (108, 0.75, 1)]),
        ([], []),
        ([0, 1, 0, 0], []),
    ],
)
def test_tokens_mean_what_magenta_means(tokens: list[int], notes: list[tuple[int, float, float]]) -> None:
    sequence = TWO_BARS.from_events(np.array(tokens, np.int64), qpm=100)
    assert sequence.notes == [Note(*note) for note in notes]
    assert (sequence.end_time, sequence.qpm) == (len(tokens) / 4, 100)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [([0.0, 1.0], "must be integers"), ([[0, 1]], r"integers \(T,\)"), ([90], r"0\.\.89"), ([-1], r"-1\.\.-1")],
)
def test_what_are_no_events_is_refused(bad: list[Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TWO_BARS.from_events(np.array(bad))


def test_onsets_are_the_note_on_events() -> None:
    assert TWO_BARS.onsets(np.array([[0, 1, 2, 89]])).tolist() == [[False, False, True, True]]


# Which notes become which events: one rule each


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([(60, 0.125, 1)], [0, on(60), 0, 0, NOTE_OFF]),  # half a step is rounded up
        ([(60, 0.124, 1)], [on(60), 0, 0, 0, NOTE_OFF]),
        ([(60, 0, 0)], [on(60), NOTE_OFF]),  # at least one step
        ([(60, 0, 1), (64, 0.1, 0.5)], [on(64), 0, NOTE_OFF]),  # on one quantised step the highest wins
        ([(60, 0, 2), (62, 0.5, 0.75), (64, 1, 1.25)], [on(60), 0, on(62), NOTE_OFF, on(64), NOTE_OFF]),
        ([(60, 0, 1), (60, 1, 1.25)], [on(60), 0, 0, 0, on(60), NOTE_OFF]),
        ([(20, 0, 1), (109, 0, 1), (60, 1, 1.25)], [0, 0, 0, 0, on(60), NOTE_OFF]),
        ([(60, 0, 1, 0), (61, 0, 1, 80, 0, True), (62, 1, 1.25)], [0, 0, 0, 0, on(62), NOTE_OFF]),
    ],
)
def test_notes_become_tokens(notes: list[tuple[Any, ...]], expected: list[int]) -> None:
    (window,) = replace(ONE_BAR, max_chord_share=1.0).to_events(tune(*notes))
    assert window.tolist() == expected + rest(BAR - len(expected))


def test_note_held_over_a_window_start_is_struck_again() -> None:
    first, second, third = ONE_BAR.windows(tune((60, 0, 9))).events.tolist()
    assert first == second == [on(60), *rest(15)]
    assert third == [on(60), 0, 0, 0, NOTE_OFF, *rest(11)]


def test_note_that_ends_at_a_window_start_leaves_no_note_off_there() -> None:
    assert ONE_BAR.windows(tune((60, 0, 4), (62, 5, 6))).events[1].tolist()[:5] == [0, 0, 0, 0, on(62)]


def test_piece_begins_at_the_bar_of_its_first_note_and_is_padded_to_a_whole_bar() -> None:
    windows = TWO_BARS.windows(tune((60, 9, 10), (62, 12, 15)))
    assert windows.events.tolist() == [
        [*rest(4), on(60), 0, 0, 0, NOTE_OFF, *rest(7), on(62), *rest(11), NOTE_OFF, *rest(3)]
    ]
    assert windows.bars.tolist() == [3]


@pytest.mark.parametrize(
    ("sequence", "skipped"),
    [
        (tune((60, 0, 3)), {"too short": 1}),
        (tune((60, 0, 1), (60, 16, 20)), {"silent window": 2}),
        (tune(), {"no notes": 1}),
        (tune((36, 0, 8, 80, 0, True)), {"drums": 1}),
        (tune((110, 0, 8)), {"out of range": 1}),
        (tune((60, 0, 8), (64, 0, 8)), {"chords": 1}),
        (tune((60, 0, 8), time_signature=(3, 4)), {"metre": 1}),
        (tune((60, 0, 8)), {}),
    ],
)
def test_what_gives_no_window_is_counted(sequence: NoteSequence, skipped: dict[str, int]) -> None:
    assert TWO_BARS.windows(sequence).skipped == Counter(skipped)


@pytest.mark.parametrize(("single_notes", "kept"), [(9, True), (8, False)])
def test_track_with_a_tenth_of_its_onsets_in_chords_is_still_a_melody(single_notes: int, kept: bool) -> None:
    single = [(60, 1 + step, 2 + step) for step in range(single_notes)]
    windows = TWO_BARS.windows(tune((60, 0, 1), (64, 0, 1), *single))
    assert bool(len(windows.events)) is kept
    assert windows.skipped["chords"] == (not kept)


def chord_shares(sequence: NoteSequence) -> list[float]:
    """Of each track."""
    return Voices.tracks(sequence, np.ones(len(sequence), np.bool_)).chord_shares(4).tolist()


def test_notes_of_one_step_that_do_not_sound_together_are_no_chord() -> None:
    assert chord_shares(tune((60, 0, 0.05), (62, 0.06, 1))) == [0]
    assert chord_shares(tune((60, 0, 0.07), (62, 0.06, 1), (64, 1, 2))) == [0.5]
    assert chord_shares(tune()) == []
    assert chord_shares(TRACKS) == [0, 0, 0, 1]


# Tracks, in preparing and in use

TRACKS = replace(
    tune(
        *((60, beat, beat + 1) for beat in range(8)),
        *((70, beat, beat + 2, 80, 0, False, 1) for beat in (0, 4)),
        *((35, beat, beat + 1, 80, 0, True, 2) for beat in range(8)),
        *((pitch, beat, beat + 1, 80, 0, False, 3) for beat in range(8) for pitch in (50, 54)),
    ),
    track_names=("lead", "flute", "kit", "organ"),
)


def first_notes(windows: Sequence[Sequence[int]]) -> list[int]:
    return [window[0] + 21 - 2 for window in windows]


def test_every_melody_track_gives_windows_and_the_others_are_counted() -> None:
    windows = TWO_BARS.windows(TRACKS)
    assert first_notes(windows.events.tolist()) == [60, 70]
    assert windows.skipped == Counter({"drums": 1, "chords": 1})


def test_named_tracks_alone_are_taken() -> None:
    windows = TWO_BARS.windows(TRACKS, tracks=["flute", "kit"])
    assert first_notes(windows.events.tolist()) == [70]
    assert windows.skipped == Counter({"track not chosen": 2, "drums": 1})


@pytest.mark.parametrize(("track", "pitch"), [(None, 60), (1, 70), ("1", 70), ("flute", 70), ("organ", 54), (3, 54)])
def test_in_use_the_track_of_most_notes_is_taken_unless_one_is_chosen(track: int | str | None, pitch: int) -> None:
    assert first_notes([window.tolist() for window in TWO_BARS.to_events(TRACKS, track=track)]) == [pitch]


@pytest.mark.parametrize(
    ("sequence", "track", "problem"),
    [
        (TRACKS, "viola", "no notes on track 'viola'; the tracks with notes are: 0 lead, 1 flute, 2 kit, 3 organ"),
        (TRACKS, 9, "no notes on track 9"),
        (TRACKS, -1, "no notes on track -1"),
        (TRACKS, "kit", "track 'kit' has no melodic note between pitch 21 and 108"),
        (tune(), None, "there is no note in it"),
        (TRACKS.select(TRACKS.track >= 2), None, "no track is a melody .*1 chords, 1 drums.*: choose one with --track"),
        (tune((60, 0, 1), time_signature=(3, 4)), None, "no bar of the tune fits 4/4; its metre is 3/4"),
        (
            replace(tune((60, 0, 1)), time_signatures=(TimeSignature(0, 3, 4), TimeSignature(3, 4, 4))),
            None,
            "no note of it lies in bars of 4/4",
        ),
    ],
)
def test_tune_without_a_window_says_why(sequence: NoteSequence, track: int | str | None, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TWO_BARS.to_events(sequence, track=track)


# Bars and metres


@pytest.mark.parametrize(("bar", "tokens"), [(1, [0] * 16 + [on(60)]), (2, [on(60)]), (3, [0] * 16 + [on(72)])])
def test_window_begins_at_the_bar_asked_for(bar: int, tokens: list[int]) -> None:
    windows = TWO_BARS.tune_windows(tune((60, 4, 5), (72, 12, 13)), bar=bar)
    assert windows.events[0, : len(tokens)].tolist() == tokens
    assert windows.bars.tolist() == [bar]


@pytest.mark.parametrize("bar", [5, 100, 0, -1])
def test_bar_without_a_note_is_refused(bar: int) -> None:
    with pytest.raises(ValueError, match=f"bar {bar} has no note: choose another bar"):
        TWO_BARS.tune_windows(tune((60, 4, 5), (72, 12, 13)), bar=bar)


def test_rests_before_a_tune_are_kept_as_far_as_they_fit() -> None:
    late, later = (TWO_BARS.tune_windows(tune((60, start, start + 1))) for start in (7.0, 8.0))
    assert (late.bars.tolist(), late.events[0, 28]) == ([1], on(60))
    assert (later.bars.tolist(), later.events[0, 0]) == ([3], on(60))


@pytest.mark.parametrize("signature", [(4, 4), (2, 4), (2, 2), (1, 4)])
def test_model_of_common_time_takes_what_fits_its_bars(signature: tuple[int, int]) -> None:
    sequence = tune((60, 0, 1), (62, 7, 8), time_signature=signature)
    assert np.array_equal(TWO_BARS.windows(sequence).events, TWO_BARS.windows(tune((60, 0, 1), (62, 7, 8))).events)


@pytest.mark.parametrize("signature", [(3, 4), (6, 8), (2, 4), (5, 4), (7, 8)])
def test_other_metres_have_windows_of_their_own_bars(signature: tuple[int, int]) -> None:
    representation = MelodyRepresentation(bars=2, time_signature=signature)
    bar = 4 * signature[0] / signature[1]
    (window,) = representation.windows(tune((60, 0, 1), (62, bar, 2 * bar), time_signature=signature)).events
    assert len(window) == representation.steps == 8 * bar
    assert np.flatnonzero(window > 1).tolist() == [0, 4 * bar]
    assert representation.from_events(window).time_signatures == (TimeSignature(0, *signature),)


def test_only_the_stretches_whose_metre_fits_give_windows() -> None:
    signatures = (TimeSignature(0, 4, 4), TimeSignature(8, 3, 4), TimeSignature(14, 4, 4))
    sequence = replace(tune(*((60, beat, beat + 1) for beat in range(26))), time_signatures=signatures)
    windows = TWO_BARS.windows(sequence)
    assert windows.bars.tolist() == [1, 5, 6]
    assert (windows.events == [on(60), 0, 0, 0] * 8).all()


def test_note_across_a_change_of_metre_is_cut_before_and_struck_again_after() -> None:
    signatures = (TimeSignature(0, 4, 4), TimeSignature(4, 3, 4), TimeSignature(7, 4, 4))
    windows = ONE_BAR.windows(replace(tune((60, 2, 9)), time_signatures=signatures))
    assert windows.events.tolist() == [[*rest(8), on(60), *rest(7)], [on(60), *rest(7), NOTE_OFF, *rest(7)]]
    assert windows.bars.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"bars": 0}, "bars is 0"),
        ({"min_pitch": 80, "max_pitch": 70}, r"80\.\.70"),
        ({"max_pitch": 128}, r"21\.\.128"),
        ({"time_signature": (5, 3)}, "5/3"),
        ({"steps_per_quarter": 0}, "steps_per_quarter"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        MelodyRepresentation(**parameters)


def test_pickup_in_a_metre_of_its_own_is_not_taken_for_the_tune() -> None:
    """A quarter written as a bar of 1/4 before the 4/4 was padded and read as the whole tune."""
    tune = NoteSequence.from_notes([Note(60, 0, 1), *(Note(62 + beat, 1 + beat, 2 + beat) for beat in range(8))])
    tune = replace(tune, time_signatures=(TimeSignature(0, 1, 4), TimeSignature(1, 4, 4)))
    [events] = MelodyRepresentation().to_events(tune)
    assert (events >= FIRST_NOTE).sum() == 8


def test_note_rounded_onto_a_change_of_metre_is_no_part_of_what_comes_before() -> None:
    """A note a hair before the 3/4 rounds to its first step, and a window grew into the 3/4 for it."""
    tune = NoteSequence.from_notes([Note(60, 0, 1), Note(62, 7.97, 9)])
    tune = replace(tune, time_signatures=(TimeSignature(0, 4, 4), TimeSignature(8, 3, 4)))
    windows = MelodyRepresentation().windows(tune)
    assert not len(windows.events)  # one bar is left, and it has no second
    assert windows.skipped["metre"] == 1


def test_piece_of_absurd_length_is_left_out_and_counted() -> None:
    windows = MelodyRepresentation().windows(NoteSequence.from_notes([Note(60, 0, 1), Note(62, 2.0**28, 2.0**28 + 1)]))
    assert not len(windows.events)
    assert windows.skipped == {"too long": 1}


@pytest.mark.parametrize("bar", [0, -1, 9, 10**30])
def test_bar_outside_the_tune_is_refused(bar: int) -> None:
    tune = NoteSequence.from_notes([Note(60, beat, beat + 1) for beat in range(32)])
    with pytest.raises(ValueError, match=f"the window at bar {bar} has no note"):
        MelodyRepresentation().tune_windows(tune, bar=bar)
