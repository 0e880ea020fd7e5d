"""MIDI files <-> NoteSequence; the only module that knows ticks and seconds.

symusic reads and prints the bytes, mido mends what symusic refuses, pretty_midi is for exchange with users' code.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTickList, ScoreTick, TempoTick, TextMetaTick, TimeSignatureTick, TrackTick

from musevae.files import replaced
from musevae.music.note_sequence import DEFAULT_QPM, Note, NoteSequence, Tempo, Text, TimeSignature

if TYPE_CHECKING:
    import pretty_midi

TICKS_PER_QUARTER = 480  # of the files we write: exact for 128th notes and for triplets of 64ths
MAX_TICK = 2**28 - 1  # the longest wait a MIDI file can hold
MAX_DATA_BYTE = 127
PITCH_BITS = 7
PLACE_BITS = 25  # with 31 of a time and those of a pitch, 63: as many notes as no file that we read has
MICROSECONDS_PER_MINUTE = 60_000_000
MAX_MICROSECONDS_PER_QUARTER = 2**24 - 1  # a tempo has three bytes
MAX_NUMERATOR = 255
DENOMINATORS = (1, 2, 4, 8, 16, 32, 64, 128)
HEADER_SIZE = 14  # bytes: "MThd", length of the rest, format, number of tracks, division
NTSC = 29  # SMPTE's code for 30,000 / 1001 frames a second; every other code is the number of frames itself
TEXT_EVENT = re.compile(rb"\xff[\x03\x05\x06]([\x00-\x7f])")  # a track name, lyric or marker and its length
NOT_UTF8 = "\N{REPLACEMENT CHARACTER}"  # symusic's word for bytes that are not UTF-8
MIDO_ERRORS = (OSError, EOFError, ValueError, LookupError)  # what mido raises on damaged data

Change = TypeVar("Change", Tempo, TimeSignature)


class MidiError(ValueError):
    """A file that cannot be read as MIDI; the message begins with the file's name."""


def read_midi(path: str | os.PathLike[str]) -> NoteSequence:
    """Read a MIDI file of any type and extension, as `parse_midi` does.

    Raises MidiError if the content is not MIDI, and the system's OSError if the file cannot be opened.
    """
    path = Path(path)
    return parse_midi(path.read_bytes(), path.name)


def parse_midi(data: bytes, name: str) -> NoteSequence:
    """Read the bytes of a MIDI file; `name` is what a MidiError calls it.

    `track` counts the tracks with notes in file order, one per channel and program; `texts` are markers and lyrics.
    Tempo and metre are 120 qpm and 4/4 until the file says otherwise; `end_time` is the time of the last note,
    controller, text, tempo or metre. A file in SMPTE time, which is real time, is read at 120 qpm.
    """
    division, data = _plain(_unwrapped(data), name)
    score = _parse(data, name)
    if division < 0:
        score.tempos.clear()
    if 0 in [tempo.mspq for tempo in score.tempos]:
        raise MidiError(f"{name} has a tempo of 0 microseconds per quarter: correct or delete that tempo event")
    sequence = _from_score(score, _ticks_per_quarter(division), data)
    if score.start() < 0 or (sequence.end < sequence.start).any():
        raise MidiError(f"{name} has times beyond {2**31 - 1} ticks: it is damaged, fetch or export it again")
    return sequence


def _unwrapped(data: bytes) -> bytes:
    """The MIDI file inside a RIFF (.rmi) wrapper, or the data itself."""
    begin = data.find(b"MThd")
    if data[:4] != b"RIFF" or begin < 0:
        return data
    size = int.from_bytes(data[begin - 4 : begin], "little")
    return data[begin : begin + size]


def _plain(data: bytes, name: str) -> tuple[int, bytes]:
    """The division and the data, these with the one header that symusic takes: six bytes, in ticks per quarter."""
    if not data:
        raise MidiError(f"{name} is empty: choose another file")
    if data[:4] != b"MThd":
        raise MidiError(f"{name} is not a MIDI file (it begins with {data[:4]!r}): choose a .mid file")
    length = int.from_bytes(data[4:8], "big")
    if len(data) < 8 + length or length < HEADER_SIZE - 8:
        raise MidiError(f"{name} is truncated or damaged (the header is cut off): fetch or export it again")
    division = int.from_bytes(data[12:HEADER_SIZE], "big", signed=True)
    if division == 0 or (division < 0 and division & 0xFF == 0):
        raise MidiError(f"{name} has 0 ticks per {'quarter' if division == 0 else 'frame'}: export it again")
    return division, struct.pack(">4sI4sH", b"MThd", 6, data[8:12], TICKS_PER_QUARTER) + data[8 + length :]


def _ticks_per_quarter(division: int) -> float:
    """Of a header's division: itself, or if negative SMPTE's frames per second and ticks per frame, at 120 qpm."""
    if division > 0:
        return division
    code, ticks_per_frame = -(division >> 8), division & 0xFF
    frames_per_second = 30_000 / 1001 if code == NTSC else code
    return frames_per_second * ticks_per_frame * 60.0 / DEFAULT_QPM


def _parse(data: bytes, name: str) -> ScoreTick:
    try:
        return ScoreTick.from_midi(data, sanitize_data=True)
    except RuntimeError as error:
        reason = str(error).removeprefix("MiniMidi: ").removesuffix(": iostream error")
    try:
        return ScoreTick.from_midi(_mended(data), sanitize_data=True)
    except (RuntimeError, *MIDO_ERRORS):
        raise MidiError(f"{name} is truncated or damaged ({reason}): fetch or export it again") from None


def _mended(data: bytes) -> bytes:
    """The data as mido, which overlooks other faults than symusic, reads and writes them."""
    from mido import MidiFile  # slow to import, and rarely needed
    from mido.midifiles.meta import KeySignatureError

    mended = io.BytesIO()
    try:
        MidiFile(file=io.BytesIO(data), clip=True).save(file=mended)
    except KeySignatureError as error:
        raise ValueError(str(error)) from error
    return mended.getvalue()


def _readings(texts: Iterable[str], data: bytes) -> dict[str, str]:
    """What symusic makes of texts that are not UTF-8 -> the same texts of the data, read as Latin-1."""
    if not any(NOT_UTF8 in text for text in texts):
        return {}
    found = (data[event.end() : event.end() + event[1][0]] for event in TEXT_EVENT.finditer(data))
    readings = {text.decode("utf-8", "replace"): text for text in found if NOT_UTF8.encode() not in text}
    return {garbled: text.decode("latin-1") for garbled, text in readings.items() if NOT_UTF8 in garbled}


def _qpm(microseconds_per_quarter: int) -> float:
    return MICROSECONDS_PER_MINUTE / microseconds_per_quarter


def _from_score(score: ScoreTick, ticks_per_quarter: float, data: bytes) -> NoteSequence:
    every = list(score.tracks)
    tracks = [track for track in every if track.notes]
    names = [track.name for track in tracks]
    tempos = [Tempo(tempo.time / ticks_per_quarter, _qpm(tempo.mspq)) for tempo in score.tempos]
    metres = [TimeSignature(m.time / ticks_per_quarter, m.numerator, m.denominator) for m in score.time_signatures]
    words = [(text.time, text.text) for texts in (score.markers, *(track.lyrics for track in every)) for text in texts]
    words.sort(key=lambda word: word[0])
    readings = _readings((*names, *(text for _, text in words)), data)
    return NoteSequence(
        **_note_columns(tracks, ticks_per_quarter),
        end_time=score.end() / ticks_per_quarter,
        tempos=_changes(Tempo(0.0, DEFAULT_QPM), tempos),
        time_signatures=_changes(TimeSignature(0.0, 4, 4), (m for m in metres if m.numerator and m.denominator)),
        track_names=tuple(readings.get(name, name) for name in names) if any(names) else (),
        texts=tuple(Text(time / ticks_per_quarter, readings.get(text, text)) for time, text in words),
    )


def _note_columns(tracks: list[TrackTick], ticks_per_quarter: float) -> dict[str, Any]:
    """The columns of NoteSequence for all notes of all tracks, in its order."""
    lists = [track.notes for track in tracks]
    together = NoteTickList()  # of all tracks: one array of each column takes half the time of one for each track
    for notes in lists:
        together.extend(notes)
    found = together.numpy()
    time, duration, pitch, velocity = (found[column] for column in ("time", "duration", "pitch", "velocity"))
    order = _order(time, pitch)
    start = time[order].astype(np.float64)
    track = np.repeat(np.arange(len(tracks), dtype=np.int32), [len(notes) for notes in lists])[order]
    return {
        "pitch": pitch[order],
        "start": start / ticks_per_quarter,
        "end": (start + duration[order]) / ticks_per_quarter,
        "velocity": velocity[order],
        "program": np.array([track.program for track in tracks], np.uint8)[track],
        "is_drum": np.array([track.is_drum for track in tracks], np.bool_)[track],
        "track": track,
    }


def _order(time: NDArray[Any], pitch: NDArray[Any]) -> NDArray[np.int64]:
    """The places of notes by time, then pitch, then place: all in one number, which sorts faster than its parts."""
    keys = time.astype(np.int64)
    keys <<= PITCH_BITS
    keys += pitch
    keys <<= PLACE_BITS
    keys += np.arange(len(time))
    keys.sort()
    return np.asarray(keys & ((1 << PLACE_BITS) - 1))


def _changes(default: Change, events: Iterable[Change]) -> tuple[Change, ...]:
    """The events by time, from `default` on: of several at one time the last, and none that changes nothing."""
    by_time = [default]
    by_time += sorted(events, key=lambda event: event.time)
    changes: list[Change] = []
    for event in {event.time: event for event in by_time}.values():
        if not changes or event[1:] != changes[-1][1:]:
            changes.append(event)
    return tuple(changes)


def write_midi(sequence: NoteSequence, path: str | os.PathLike[str]) -> None:
    """Write a type 1 MIDI file of 480 ticks per quarter, one track per distinct (track, program, is_drum).

    Whatever happens, `path` holds the whole new file or what it held before. Where notes of one pitch overlap in a
    track, the first to start becomes the first to end: MIDI does not say which one a note-off ends. Raises ValueError
    for values that MIDI cannot hold, OSError if the file cannot be written.
    """
    data = _to_score(sequence).dumps_midi()
    with replaced(Path(path)) as file:
        file.write(data)


def _to_score(sequence: NoteSequence) -> ScoreTick:
    _check(sequence)
    score = ScoreTick(TICKS_PER_QUARTER)
    for tempo in _with_end_marked(sequence):
        microseconds = round(MICROSECONDS_PER_MINUTE / tempo.qpm)
        score.tempos.append(TempoTick(_tick(tempo.time), qpm=None, mspq=microseconds))
    for time, numerator, denominator in sequence.time_signatures:
        score.time_signatures.append(TimeSignatureTick(_tick(time), numerator, denominator))
    conductor = TrackTick()  # symusic writes unsorted events for a score without a track
    for text in sequence.texts:
        conductor.lyrics.append(TextMetaTick(_tick(text.time), text.text))
    score.tracks.append(conductor)
    for part in _parts(sequence):
        score.tracks.append(_to_track(part))
    return score


def _check(sequence: NoteSequence) -> None:
    """Raise ValueError for what MIDI cannot hold."""
    tempos, signatures = sequence.tempos, sequence.time_signatures
    times = [*(event.time for events in (tempos, signatures, sequence.texts) for event in events), *sequence.start[:1]]
    _demand("a time in quarters", [*times, sequence.end_time], 0, MAX_TICK / TICKS_PER_QUARTER)
    _demand("a pitch", [sequence.pitch.max(initial=0)], 0, MAX_DATA_BYTE)
    _demand("a program", [sequence.program.max(initial=0)], 0, MAX_DATA_BYTE)
    slowest = MICROSECONDS_PER_MINUTE / MAX_MICROSECONDS_PER_QUARTER
    _demand("a tempo in qpm", [tempo.qpm for tempo in tempos], slowest, MICROSECONDS_PER_MINUTE)
    _demand("a metre's numerator", [signature.numerator for signature in signatures], 1, MAX_NUMERATOR)
    for _, numerator, denominator in signatures:
        if denominator not in DENOMINATORS:
            raise ValueError(f"a metre is {numerator}/{denominator}; a MIDI file holds denominators {DENOMINATORS}")


def _demand(what: str, values: Iterable[float], lowest: float, highest: float) -> None:
    for value in values:
        if not lowest <= value <= highest:
            raise ValueError(f"{what} is {value:g}; a MIDI file holds {lowest:g} to {highest:g}")


def _with_end_marked(sequence: NoteSequence) -> list[Tempo]:
    """The tempos; to keep silence after the last note, the running one is said again at the end.

    symusic neither sets nor gives the time of the end of a track, but that of any other event.
    """
    tempos = list(sequence.tempos) or [Tempo(0.0, DEFAULT_QPM)]
    if sequence.end_time > max(sequence.end.max(initial=0.0), tempos[-1].time):
        tempos.append(Tempo(sequence.end_time, tempos[-1].qpm))
    return tempos


def _ticks(quarters: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(quarters * TICKS_PER_QUARTER).astype(np.int32)


def _tick(quarters: float) -> int:
    return round(quarters * TICKS_PER_QUARTER)


def _parts(sequence: NoteSequence) -> Iterator[NoteSequence]:
    """The notes of one (track, program, is_drum) at a time, in that order."""
    keys = np.stack([sequence.track, sequence.program, sequence.is_drum], axis=1)
    for key in np.unique(keys, axis=0):
        yield sequence.select((keys == key).all(axis=1))


def _name(part: NoteSequence) -> str:
    return dict(enumerate(part.track_names)).get(int(part.track[0]), "")


def _to_track(part: NoteSequence) -> TrackTick:
    track = TrackTick(_name(part), int(part.program[0]), bool(part.is_drum[0]))
    start, end = _ticks(part.start), _ticks(part.end)
    velocity = part.velocity.clip(1, MAX_DATA_BYTE)  # a note-on of velocity 0 would be a note-off
    track.notes = NoteTickList.from_numpy(start, end - start, part.pitch.astype(np.int8), velocity.astype(np.int8))
    return track


def to_pretty_midi(sequence: NoteSequence) -> pretty_midi.PrettyMIDI:
    """A PrettyMIDI of the same notes, tempos, time signatures and texts (as lyrics); its times are in seconds.

    Silence after the last event is not kept. Raises ValueError for values that MIDI or PrettyMIDI cannot hold.
    """
    import mido  # slow to import
    import pretty_midi

    conductor = _to_score(sequence.select(np.zeros(len(sequence), np.bool_))).dumps_midi()
    file = mido.MidiFile(file=io.BytesIO(conductor), charset="utf-8")
    midi = pretty_midi.PrettyMIDI(mido_object=file, charset="utf-8")
    for part in _parts(sequence):
        instrument = pretty_midi.Instrument(int(part.program[0]), bool(part.is_drum[0]), _name(part))
        starts, ends = (map(midi.tick_to_time, _ticks(times).tolist()) for times in (part.start, part.end))
        rows = zip(part.velocity.tolist(), part.pitch.tolist(), starts, ends, strict=True)
        instrument.notes = [pretty_midi.Note(*row) for row in rows]
        midi.instruments.append(instrument)
    return midi


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> NoteSequence:
    """The NoteSequence of a PrettyMIDI, times rounded to its ticks and tempos to whole microseconds per quarter.

    `track` counts its instruments, `texts` are its lyrics, `end_time` is the time of its last event.
    """

    def quarters(seconds: float) -> float:
        return float(midi.time_to_tick(seconds) / midi.resolution)

    notes = [
        Note(note.pitch, quarters(note.start), quarters(note.end), note.velocity, part.program, part.is_drum, track)
        for track, part in enumerate(midi.instruments)
        for note in part.notes
    ]
    changes = zip(*midi.get_tempo_changes(), strict=True)
    tempos = [Tempo(quarters(time), _qpm(round(MICROSECONDS_PER_MINUTE / qpm))) for time, qpm in changes]
    metres = [TimeSignature(quarters(m.time), m.numerator, m.denominator) for m in midi.time_signature_changes]
    names = tuple(part.name for part in midi.instruments)
    return replace(
        NoteSequence.from_notes(notes, end_time=quarters(midi.get_end_time())),
        tempos=_changes(Tempo(0.0, DEFAULT_QPM), tempos),
        time_signatures=_changes(TimeSignature(0.0, 4, 4), metres),
        track_names=names if any(names) else (),
        texts=tuple(Text(quarters(lyric.time), lyric.text) for lyric in midi.lyrics),
    )
