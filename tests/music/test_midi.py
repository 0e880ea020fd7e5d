from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import struct
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musevae.music.midi import MidiError, from_pretty_midi, parse_midi, read_midi, to_pretty_midi, write_midi
from musevae.music.note_sequence import Note, NoteSequence, Tempo, Text, TimeSignature

Factory = pytest.TempPathFactory
TYPE_0 = """
4D 54 68 64  # "MThd"
00 00 00 06  # six bytes follow
00 00        # type 0
00 01        # one track
00 60        # 96 ticks per quarter
4D 54 72 6B  # "MTrk"
00 00 00 1F  # 31 bytes follow
00 FF 51 03 07 A1 20  # 500,000 microseconds per quarter: 120 qpm
00 C0 05     # channel 0 plays program 5
00 90 3C 50  # C4 on, velocity 80
60 3C 00     # a quarter later C4 off: running status, velocity 0
00 3E 40     # D4 on
30 3E 00     # an eighth later D4 off
00 80 3E 00  # another note-off, of nothing
00 FF 2F 00  # end of track
"""
NOTE = "00 90 3C 50  60 80 3C 00"  # C4 for a quarter at 96 ticks per quarter
END = "00 FF 2F 00"
PIECE = NoteSequence.from_notes(
    [Note(60, 0, 1), Note(64, 0, 2.5, 100), Note(36, 1.25, 1.5, 90, 0, True, 1), Note(48, 2, 4, 70, 33, False, 2)],
    time_signature=(6, 8),
)


def unhex(dump: str) -> bytes:
    return bytes.fromhex(re.sub("#.*", "", dump))


def midi_bytes(*tracks: str, midi_type: int = 1, division: int = 96) -> bytes:
    chunks = [b"MTrk" + struct.pack(">I", len(unhex(track))) + unhex(track) for track in tracks]
    return struct.pack(">4sIHHH", b"MThd", 6, midi_type, len(tracks), division & 0xFFFF) + b"".join(chunks)


def parse(*events: str, division: int = 96) -> NoteSequence:
    return parse_midi(midi_bytes(" ".join(events) + END, division=division), "tune.mid")


def round_trip(sequence: NoteSequence, folder: Path) -> NoteSequence:
    write_midi(sequence, folder / "tune.mid")
    return read_midi(folder / "tune.mid")


# Reading


def test_reads_notes_of_a_type_0_file_with_running_status() -> None:
    sequence = parse_midi(unhex(TYPE_0), "tune.mid")
    assert sequence.notes == [Note(60, 0.0, 1.0, 80, 5), Note(62, 1.0, 1.5, 64, 5)]
    assert (sequence.qpm, sequence.end_time) == (120.0, 1.5)


@pytest.mark.parametrize("midi_type", [0, 1, 2])
def test_each_chunk_is_a_track_in_every_type(midi_type: int) -> None:
    sequence = parse_midi(midi_bytes(NOTE + END, NOTE + END, midi_type=midi_type), "tune.mid")
    assert sequence.track.tolist() == [0, 1]


def test_tracks_count_those_with_notes_by_channel_and_program() -> None:
    name = "00 FF 03 01 "
    chunks = [name + "41" + END, name + "42 00 C0 05" + NOTE + "00 C0 07" + NOTE + "00 99 24 40 10 99 24 00" + END]
    sequence = parse_midi(midi_bytes(*chunks), "tune.mid")
    assert [(n.track, n.program, n.is_drum) for n in sequence.notes] == [(0, 5, False), (1, 7, False), (2, 0, True)]
    assert sequence.track_names == ("B", "B", "B")


def test_note_without_end_is_dropped_and_note_without_length_is_kept() -> None:
    assert parse("00 90 3C 50  00 90 3E 50  00 80 3E 00").notes == [Note(62, 0.0, 0.0)]


def test_first_note_of_a_pitch_to_start_is_the_first_to_end() -> None:
    sequence = parse("00 90 3C 50  30 90 3C 60  30 80 3C 00  30 80 3C 00")
    assert sequence.notes == [Note(60, 0.0, 1.0, 80), Note(60, 0.5, 1.5, 96)]


@pytest.mark.parametrize("events", ["", "00 90 3C 00  60 80 3C 00", "00 FF 06 01 41"])
def test_tune_without_notes_is_read(events: str) -> None:
    assert len(parse(events)) == 0


def test_without_tempo_and_metre_they_are_120_and_4_4() -> None:
    sequence = parse("60 FF 51 03 0F 42 40  00 FF 58 04 03 02 18 08", NOTE)
    assert sequence.tempos == (Tempo(0.0, 120.0), Tempo(1.0, 60.0))
    assert sequence.time_signatures == (TimeSignature(0.0, 4, 4), TimeSignature(1.0, 3, 4))


def test_of_simultaneous_changes_the_last_counts_and_repeated_ones_are_dropped() -> None:
    tempo, metre = "00 FF 51 03", "00 FF 58 04"
    first = f"{tempo} 07 A1 20 {tempo} 0F 42 40 {metre} 04 02 18 08 {metre} 06 03 24 08"
    sequence = parse(first, NOTE, f"{tempo} 0F 42 40 {metre} 06 03 24 08")
    assert sequence.tempos == (Tempo(0.0, 60.0),)
    assert sequence.time_signatures == (TimeSignature(0.0, 6, 8),)


@pytest.mark.parametrize("metre", ["00 02", "04 FF"])
def test_metre_that_is_none_is_ignored(metre: str) -> None:
    assert parse(f"00 FF 58 04 {metre} 18 08", NOTE).time_signatures == (TimeSignature(0.0, 4, 4),)


def test_texts_are_markers_and_lyrics_of_all_tracks_by_time() -> None:
    marker, lyrics = "30 FF 06 02 41 6D", "00 FF 05 02 6C 61  60 FF 05 03 C3 A9 21"
    sequence = parse_midi(midi_bytes(lyrics + END, marker + NOTE + END), "song.kar")
    assert sequence.texts == (Text(0.0, "la"), Text(0.5, "Am"), Text(1.0, "é!"))


@pytest.mark.parametrize("encoded", ["05 46 6C FB 74 65", "06 46 6C C3 BB 74 65"])
def test_names_are_utf8_or_else_latin1(encoded: str) -> None:
    assert parse(f"00 FF 03 {encoded}", NOTE).track_names == ("Flûte",)


@pytest.mark.parametrize(
    ("frames", "ticks_per_frame", "seconds_per_tick"), [(25, 40, 1 / 1000), (30, 80, 1 / 2400), (29, 4, 1001 / 120_000)]
)
def test_smpte_time_is_read_at_120_qpm(frames: int, ticks_per_frame: int, seconds_per_tick: float) -> None:
    sequence = parse("00 FF 51 03 0F 42 40", NOTE, division=-frames * 256 | ticks_per_frame)
    assert sequence.end.tolist() == pytest.approx([96 * seconds_per_tick * 2])
    assert sequence.tempos == (Tempo(0.0, 120.0),)


def test_riff_wrapper_is_taken_off() -> None:
    midi = unhex(TYPE_0)
    riff = b"RMIDdata" + struct.pack("<I", len(midi)) + midi + b"LIST\4\0\0\0junk"
    wrapped = b"RIFF" + struct.pack("<I", len(riff)) + riff
    assert parse_midi(wrapped, "tune.rmi") == parse_midi(midi, "tune.mid")


def test_header_longer_than_six_bytes_is_read() -> None:
    longer = unhex(TYPE_0.replace("00 00 00 06", "00 00 00 08").replace("00 60  ", "00 60 AA AA  "))
    assert parse_midi(longer, "tune.mid") == parse_midi(unhex(TYPE_0), "tune.mid")


@pytest.mark.parametrize("junk", [b"\0", b"junk" * 10, b"MTrk\0\0"])
def test_bytes_after_the_last_track_are_ignored(junk: bytes) -> None:
    assert parse_midi(unhex(TYPE_0) + junk, "tune.mid") == parse_midi(unhex(TYPE_0), "tune.mid")


def test_what_only_mido_reads_is_read() -> None:
    """Running status across a SysEx is against the standard: symusic refuses the file, mido skips the event."""
    assert parse(NOTE, "00 F0 04 01 01 01 F7", "60 3C 00").notes == [Note(60, 0.0, 1.0)]


@pytest.mark.parametrize("name", ["tune.mid", "TUNE.MIDI", "song.Kar", "no extension", "Für Élise ♪.mid"])
def test_file_name_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(unhex(TYPE_0))
    assert len(read_midi(str(tmp_path / name))) == 2


def test_reading_agrees_with_mido() -> None:
    random = np.random.default_rng(0)
    file = mido.MidiFile(ticks_per_beat=384)
    for channel in range(3):
        columns = random.integers(40, 45, 300), random.choice([0, 50, 99], 300), random.integers(0, 50, 300)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        messages = [mido.Message("note_on", channel=channel, note=n, velocity=v, time=t) for n, v, t in rows]
        file.tracks.append(mido.MidiTrack(messages))
    data = io.BytesIO()
    file.save(file=data)
    ours = [(n.track, n.pitch, n.start, n.end, n.velocity) for n in parse_midi(data.getvalue(), "tune.mid").notes]
    assert len(ours) > 100
    assert sorted(ours) == sorted(notes_of(file))


def notes_of(file: mido.MidiFile) -> list[tuple[int, int, float, float, int]]:
    """(track, pitch, start, end, velocity) of every note; of several sounding notes the first ends first."""
    notes = []
    for index, track in enumerate(file.tracks):
        sounding: dict[int, list[tuple[float, int]]] = defaultdict(list)
        ticks = np.cumsum([message.time for message in track]).tolist()
        for tick, message in zip(ticks, track, strict=True):
            time = tick / file.ticks_per_beat
            if message.type == "note_on" and message.velocity:
                sounding[message.note].append((time, message.velocity))
            elif message.type in ("note_on", "note_off") and sounding[message.note]:
                start, velocity = sounding[message.note].pop(0)
                notes.append((index, message.note, start, time, velocity))
    return notes


# Files that cannot be read


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (b"#!/bin/sh\necho hello", "is not a MIDI file"),
        (b"RIFF\4\0\0\0WAVE", "is not a MIDI file"),
        (unhex(TYPE_0)[:10], "is truncated"),
        (unhex(TYPE_0)[:-9], "is truncated"),
        (unhex(TYPE_0.replace("00 00 00 1F", "7F FF FF FF")), "is truncated or damaged"),
        (unhex(TYPE_0.replace("00 00 00 06", "FF FF FF FF")), "is truncated or damaged"),
        (unhex(TYPE_0.replace("00 00 00 06", "00 00 00 02")), "is truncated or damaged"),
        (midi_bytes(NOTE + END, division=0), "0 ticks per quarter"),
        (midi_bytes(NOTE + END, division=-25 * 256), "0 ticks per frame"),
        (midi_bytes("00 FF 51 03 00 00 00" + NOTE + END), "tempo of 0 microseconds"),
        (midi_bytes("FF FF FF 7F F0 00" * 9 + NOTE + END), "times beyond 2147483647 ticks"),
        (midi_bytes("00 F4" + END), "is truncated or damaged"),
    ],
)
def test_unreadable_file_is_named_with_its_problem_in_one_line(tmp_path: Path, data: bytes, problem: str) -> None:
    (tmp_path / "tune.mid").write_bytes(data)
    with pytest.raises(MidiError, match=rf"\Atune\.mid .*{problem}.*\Z"):
        read_midi(tmp_path / "tune.mid")


def test_folder_and_missing_file_raise_the_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        read_midi(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.mid"):
        read_midi(tmp_path / "none.mid")


def mutations() -> st.SearchStrategy[bytes]:
    """TYPE_0 and more, with a few bytes replaced, put in or left out."""
    whole = midi_bytes("00 FF 03 01 41 00 FF 58 04 04 02 18 08" + NOTE + END, "00 F0 02 01 F7" + NOTE + END)
    edits = st.tuples(st.integers(0, len(whole)), st.integers(0, 2), st.binary(max_size=2))
    return st.lists(edits, min_size=1, max_size=5).map(lambda changes: edited(whole, changes))


def edited(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for position, removed, inserted in changes:
        data = data[:position] + inserted + data[position + removed :]
    return data


@settings(max_examples=200, deadline=None)
@given(st.one_of(mutations(), st.binary(max_size=40), st.binary(max_size=40).map(b"MThd\0\0\0\6".__add__)))
def test_damaged_bytes_are_read_or_refused_with_a_midi_error(data: bytes) -> None:
    with contextlib.suppress(MidiError):
        sequence = parse_midi(data, "tune.mid")
        assert np.isfinite(sequence.end_time)
        assert (sequence.start >= 0).all()


# Writing


def test_piece_read_back_is_the_piece_written(tmp_path: Path) -> None:
    assert round_trip(PIECE, tmp_path) == PIECE


TICKS = st.integers(0, 10_000)
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)
TRACKS = st.lists(st.lists(st.tuples(TICKS, st.integers(0, 127)), min_size=1, max_size=20, unique=True), max_size=4)


@st.composite
def sequences(draw: st.DrawFn) -> NoteSequence:
    """Up to four tracks on the grid of 480; notes of one pitch are equally long, so that none lies inside another."""
    tracks = draw(TRACKS)
    notes = [
        Note(
            pitch, tick / 480, (tick + 37 * pitch) / 480, 1 + (tick + pitch) % 127, 40 * index % 128, index == 2, index
        )
        for index, track in enumerate(tracks)
        for tick, pitch in track
    ]
    times = [0.0, *sorted(tick / 480 for tick in draw(st.sets(TICKS, max_size=3)) if tick)]
    return replace(
        NoteSequence.from_notes(notes, end_time=draw(st.integers(10_000, 20_000)) / 480),
        tempos=tuple(Tempo(time, 6e7 / (400_000 + i)) for i, time in enumerate(times)),
        time_signatures=tuple(TimeSignature(time, 2 + i, 4) for i, time in enumerate(times)),
        track_names=tuple(draw(st.lists(WORDS, min_size=len(tracks), max_size=len(tracks)))),
        texts=tuple(Text(time, draw(WORDS)) for time in times),
    )


@settings(max_examples=30, deadline=None)
@given(sequence=sequences())
def test_every_piece_on_the_grid_is_read_back_exactly(tmp_path_factory: Factory, sequence: NoteSequence) -> None:
    assert round_trip(sequence, tmp_path_factory.getbasetemp()) == sequence


@pytest.mark.parametrize("quarters", [1 / 3, 1 / 12, 1 / 32, 1 / 48])
def test_binary_and_triple_divisions_are_exact(tmp_path: Path, quarters: float) -> None:
    note = Note(60, quarters, 2 * quarters)
    assert round_trip(NoteSequence.from_notes([note]), tmp_path).notes == [note]


@pytest.mark.parametrize(("qpm", "read"), [(120.0, 120.0), (140.0, 6e7 / 428_571), (60_000_000.0, 6e7), (3.6, 3.6)])
def test_tempo_is_kept_to_the_microsecond_per_quarter(tmp_path: Path, qpm: float, read: float) -> None:
    assert round_trip(NoteSequence.from_notes([], qpm=qpm), tmp_path).qpm == pytest.approx(read, rel=1e-7)


def test_zero_length_note_between_touching_notes_is_kept(tmp_path: Path) -> None:
    sequence = NoteSequence.from_notes([Note(60, 0, 1), Note(60, 1, 1), Note(60, 2, 3), Note(60, 3, 4)])
    assert round_trip(sequence, tmp_path) == sequence


def test_silence_after_the_last_note_is_kept(tmp_path: Path) -> None:
    sequence = NoteSequence.from_notes([Note(60, 0, 1)], end_time=16)
    written = round_trip(sequence, tmp_path)
    assert (written.end_time, written.tempos) == (16.0, sequence.tempos)


def test_forty_tracks_keep_programs_and_drums_their_channel(tmp_path: Path) -> None:
    notes = [Note(60, i, i + 1, 80, i, i % 7 == 3, i) for i in range(40)]
    assert round_trip(NoteSequence.from_notes(notes), tmp_path).notes == notes
    messages = [
        next(m for m in track if m.type == "note_on") for track in mido.MidiFile(tmp_path / "tune.mid").tracks[1:]
    ]
    assert [message.channel == 9 for message in messages] == [note.is_drum for note in notes]


def test_track_of_two_programs_becomes_two(tmp_path: Path) -> None:
    sequence = NoteSequence.from_notes([Note(60, 0, 1, program=1), Note(62, 1, 2, program=2)])
    assert round_trip(sequence, tmp_path).track.tolist() == [0, 1]


@pytest.mark.parametrize(("velocity", "read"), [(0, 1), (200, 127)])
def test_velocity_is_clipped_to_what_midi_holds(tmp_path: Path, velocity: int, read: int) -> None:
    assert round_trip(NoteSequence.from_notes([Note(60, 0, 1, velocity)]), tmp_path).velocity.tolist() == [read]


@pytest.mark.parametrize(
    ("sequence", "problem"),
    [
        (PIECE.shift(-1), "time in quarters is -1"),
        (PIECE.shift(1e6), "time in quarters is 1e"),
        (PIECE.shift(float("nan")), "time in quarters is nan"),
        (NoteSequence.from_notes([Note(128, 0, 1)]), "pitch is 128"),
        (NoteSequence.from_notes([Note(60, 0, 1, program=128)]), "program is 128"),
        (NoteSequence.from_notes([], qpm=3), "tempo in qpm is 3; a MIDI file holds 3.57"),
        (NoteSequence.from_notes([], qpm=0), "tempo in qpm is 0"),
        (NoteSequence.from_notes([], time_signature=(256, 4)), "metre's numerator is 256"),
        (NoteSequence.from_notes([], time_signature=(5, 3)), "metre is 5/3"),
    ],
)
def test_what_midi_cannot_hold_is_refused(tmp_path: Path, sequence: NoteSequence, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        write_midi(sequence, tmp_path / "tune.mid")
    assert not list(tmp_path.iterdir())


def test_many_notes_are_read_back(tmp_path: Path) -> None:
    steps = np.arange(200_000)
    notes = NoteSequence.from_notes([Note(60, 0, 1)]).select(np.zeros(len(steps), np.int64))
    sequence = replace(notes, pitch=(36 + steps % 50).astype(np.uint8), start=steps / 4, end=steps / 4 + 0.25)
    assert round_trip(sequence, tmp_path) == sequence


def test_mido_reads_the_notes_written(tmp_path: Path) -> None:
    write_midi(PIECE, tmp_path / "tune.mid")
    ours = [(n.track + 1, n.pitch, n.start, n.end, n.velocity) for n in PIECE.notes]
    assert sorted(notes_of(mido.MidiFile(tmp_path / "tune.mid"))) == sorted(ours)


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "tune.mid"
    write_midi(PIECE, path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*tune\.mid"):
        write_midi(PIECE.shift(1), path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_interruption_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*names: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_midi(PIECE, tmp_path / "tune.mid")
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"out/tune\.mid"):
        write_midi(PIECE, tmp_path / "out" / "tune.mid")
    assert not list(tmp_path.iterdir())


# Exchange with pretty_midi


def test_pretty_midi_and_back_is_the_piece() -> None:
    piece = replace(
        PIECE,
        tempos=(Tempo(0.0, 120.0), Tempo(1.0, 6e7 / 700_000), Tempo(2.0, 150.0)),
        time_signatures=(TimeSignature(0.0, 6, 8), TimeSignature(3.0, 4, 4)),
        track_names=("Flöte", "鼓", "bass"),
        texts=(Text(0.0, "Am"), Text(1.5, "ほ")),
    )
    assert from_pretty_midi(to_pretty_midi(piece)) == piece


def test_pretty_midi_times_are_seconds_along_the_tempo_map() -> None:
    piece = replace(PIECE, tempos=(Tempo(0.0, 60.0), Tempo(1.0, 120.0)))
    (note, _), *_ = (part.notes for part in piece.to_pretty_midi().instruments)
    assert (note.start, note.end) == (0.0, 1.0)
    assert to_pretty_midi(piece).instruments[2].notes[0].end == pytest.approx(2.5)


def test_pretty_midi_keeps_overlapping_notes_of_one_pitch() -> None:
    piece = NoteSequence.from_notes([Note(60, 0, 2), Note(60, 1, 3), Note(60, 1.5, 1.5)])
    assert from_pretty_midi(to_pretty_midi(piece)) == piece


def test_pretty_midi_made_by_hand_is_read() -> None:
    midi = pretty_midi.PrettyMIDI(initial_tempo=90)
    midi.instruments.append(pretty_midi.Instrument(33, name="bass"))
    midi.instruments[0].notes.append(pretty_midi.Note(100, 40, 60 / 90, 120 / 90))
    sequence = from_pretty_midi(midi)
    assert sequence.notes == [Note(40, 1.0, 2.0, 100, 33)]
    assert sequence.qpm == pytest.approx(90, rel=1e-6)
    assert sequence.track_names == ("bass",)


def test_pretty_midi_reads_the_file_written(tmp_path: Path) -> None:
    write_midi(PIECE, tmp_path / "tune.mid")
    assert from_pretty_midi(pretty_midi.PrettyMIDI(str(tmp_path / "tune.mid"))).notes == PIECE.notes


def test_empty_piece_is_exchanged_and_written(tmp_path: Path) -> None:
    empty = NoteSequence.from_notes([])
    assert from_pretty_midi(to_pretty_midi(empty)) == empty
    assert round_trip(empty, tmp_path) == empty
