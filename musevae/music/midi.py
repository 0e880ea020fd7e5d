"""MIDI files <-> NoteSequence; the only module that knows ticks and seconds.

symusic parses and prints the bytes; mido mends what symusic refuses; pretty_midi is for exchange with users' code.
"""

from __future__ import annotations

import io
import math
import os
import secrets
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import mido
import numpy as np
import pretty_midi
import symusic
from numpy.typing import NDArray

from musevae.music.note_sequence import COLUMNS, DEFAULT_QPM, NoteSequence, Tempo, Text, TimeSignature

TICKS_PER_QUARTER = 480  # of the files we write: exact for 128th notes and for triplets of 64ths
MAX_TICK = 2**28 - 1  # the largest time a MIDI file can count in one step
MICROSECONDS_PER_MINUTE = 60_000_000
MAX_MICROSECONDS_PER_QUARTER = 2**24 - 1  # a tempo has three bytes
SMPTE_QUARTERS_PER_SECOND = DEFAULT_QPM / 60.0  # SMPTE files count real time: read at the default tempo
SMPTE_FRAMES_PER_SECOND = {24: 24.0, 25: 25.0, 29: 30_000 / 1001, 30: 30.0}  # 29 is "30 drop frame", 29.97
HEADER_SIZE = 14  # bytes: "MThd", its length, format, number of tracks, division
MIDO_ERRORS = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)

Change = TypeVar("Change", Tempo, TimeSignature)


class MidiError(ValueError):
    """A file that cannot be read as MIDI; the message begins with the file's name."""


def read_midi(path: str | os.PathLike[str]) -> NoteSequence:
    """Read a MIDI file of any type; its extension does not matter.

    Raises MidiError if the content is not MIDI, and the system's OSError if the file cannot be opened.
    """
    path = Path(path)
    return parse_midi(path.read_bytes(), path.name)


def parse_midi(data: bytes, name: str) -> NoteSequence:
    """Read the bytes of a MIDI file; `name` is what a MidiError calls it.

    `track` counts the tracks that have notes, in file order, one per channel and program; tempo and metre are 120 qpm and
    4/4 until the file says otherwise; `texts` are its markers and lyrics. Times of an SMPTE file, which counts real time,
    become quarters at 120 qpm.
    """
    division, body = _open(_unwrapped(data), name)
    score = _score(body, name)
    ticks_per_quarter = division if division > 0 else _smpte_ticks_per_quarter(division, name)
    if division < 0:
        score.tempos.clear()
    if any(tempo.mspq == 0 for tempo in score.tempos):
        raise MidiError(f"{name} has a tempo of 0 microseconds per quarter: correct or delete that tempo event")
    return _from_score(score, ticks_per_quarter, name)


def _unwrapped(data: bytes) -> bytes:
    """The MIDI file inside a RIFF (.rmi) wrapper, or the data itself."""
    if data[:4] != b"RIFF" or b"MThd" not in data:
        return data
    begin = data.index(b"MThd")
    size = int.from_bytes(data[begin - 4 : begin], "little")
    return data[begin : begin + size]


def _open(data: bytes, name: str) -> tuple[int, bytes]:
    """The division (ticks per quarter; negative: SMPTE) and the data with a plain header that symusic accepts."""
    if not data:
        raise MidiError(f"{name} is empty: choose another file")
    if data[:4] != b"MThd":
        raise MidiError(f"{name} is not a MIDI file (it begins with {data[:4]!r}): choose a .mid file")
    if len(data) < HEADER_SIZE:
        raise MidiError(f"{name} is truncated or damaged (its header has {len(data)} of {HEADER_SIZE} bytes)")
    division = int.from_bytes(data[12:14], "big", signed=True)
    if division == 0:
        raise MidiError(f"{name} has 0 ticks per quarter: its header is damaged, export it again")
    header_end = 8 + int.from_bytes(data[4:8], "big")
    header = b"MThd" + struct.pack(">I4sH", 6, data[8:12], TICKS_PER_QUARTER)
    return division, header + data[header_end:]


def _smpte_ticks_per_quarter(division: int, name: str) -> float:
    frames, ticks_per_frame = -(division >> 8), division & 0xFF
    if frames not in SMPTE_FRAMES_PER_SECOND or ticks_per_frame == 0:
        raise MidiError(f"{name} counts {ticks_per_frame} ticks in {frames} frames a second: its header is damaged")
    return SMPTE_FRAMES_PER_SECOND[frames] * ticks_per_frame / SMPTE_QUARTERS_PER_SECOND


def _score(data: bytes, name: str) -> symusic.types.Score:
    """Parse with symusic, or with symusic what mido made of the data."""
    try:
        return symusic.Score.from_midi(data, sanitize_data=True)
    except RuntimeError as error:
        reason = str(error).removeprefix("MiniMidi: ").removesuffix(": iostream error")
    try:
        return symusic.Score.from_midi(_mended(data), sanitize_data=True)
    except (RuntimeError, *MIDO_ERRORS):
        raise MidiError(f"{name} is truncated or damaged ({reason}): fetch or export it again") from None


def _mended(data: bytes) -> bytes:
    mended = io.BytesIO()
    mido.MidiFile(file=io.BytesIO(data), clip=True).save(file=mended)
    return mended.getvalue()


def _from_score(score: symusic.types.Score, ticks_per_quarter: float, name: str) -> NoteSequence:
    tracks = [track for track in score.tracks if len(track.notes)]
    lyrics = (lyric for track in score.tracks for lyric in track.lyrics)
    texts = [Text(text.time / ticks_per_quarter, text.text) for text in (*score.markers, *lyrics)]
    signatures = [s for s in score.time_signatures if s.numerator and s.denominator]
    return NoteSequence(
        **_columns(tracks, ticks_per_quarter, name),
        end_time=max(0, score.end()) / ticks_per_quarter,
        tempos=_changes(
            Tempo(0.0, DEFAULT_QPM), (Tempo(t.time / ticks_per_quarter, _qpm(t.mspq)) for t in score.tempos)
        ),
        time_signatures=_changes(
            TimeSignature(0.0, 4, 4),
            (TimeSignature(s.time / ticks_per_quarter, s.numerator, s.denominator) for s in signatures),
        ),
        track_names=tuple(track.name for track in tracks),
        texts=tuple(sorted(texts, key=lambda text: text.time)),
    )


def _qpm(microseconds_per_quarter: int) -> float:
    return MICROSECONDS_PER_MINUTE / microseconds_per_quarter


def _columns(tracks: list[symusic.types.Track], ticks_per_quarter: float, name: str) -> dict[str, NDArray[np.generic]]:
    """The columns of NoteSequence, of all notes of all tracks."""
    arrays = [track.notes.numpy() for track in tracks]
    counts = [len(track.notes) for track in tracks]
    time, duration, pitch, velocity = (
        np.concatenate([np.zeros(0, np.int64), *(array[key] for array in arrays)])
        for key in ("time", "duration", "pitch", "velocity")
    )
    if min(time.min(initial=0), duration.min(initial=0)) < 0:
        raise MidiError(f"{name} has times beyond {2**31 - 1} ticks: it is damaged, export it again")
    values = {
        "pitch": pitch,
        "start": time / ticks_per_quarter,
        "end": (time + duration) / ticks_per_quarter,
        "velocity": velocity,
        "program": np.repeat([track.program for track in tracks], counts),
        "is_drum": np.repeat([track.is_drum for track in tracks], counts),
        "track": np.repeat(np.arange(len(tracks)), counts),
    }
    return {key: values[key].astype(dtype) for key, dtype in COLUMNS.items()}


def _changes(default: Change, events: Iterable[Change]) -> tuple[Change, ...]:
    """The events in order of time, from `default` on: of several at one time the last, and none that changes nothing."""
    latest = {event.time: event for event in (default, *sorted(events, key=lambda event: event.time))}
    changes: list[Change] = []
    for event in latest.values():
        if not changes or event[1:] != changes[-1][1:]:
            changes.append(event)
    return tuple(changes)


def write_midi(sequence: NoteSequence, path: str | os.PathLike[str]) -> None:
    """Write a type 1 MIDI file of 480 ticks per quarter, one track per distinct (track, program, is_drum).

    Whatever happens, `path` is either the whole new file or what it was before. Of overlapping notes of one pitch in one
    track MIDI says only which ends come first, so the first to start is the first to end. Raises ValueError for times
    and tempos that MIDI cannot hold, OSError when the file cannot be written.
    """
    _replace(Path(path), _to_score(sequence).dumps_midi())


def _replace(path: Path, data: bytes) -> None:
    """Give `path` the content `data` at one stroke."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _to_score(sequence: NoteSequence) -> symusic.types.Score:
    score = symusic.Score(TICKS_PER_QUARTER)
    conductor = symusic.Track()
    end_tick = int(_ticks(sequence.end_time))
    tempos = [(int(_ticks(tempo.time)), _microseconds_per_quarter(tempo.qpm)) for tempo in sequence.tempos]
    # symusic neither reads nor sets the end of a track: the last tempo, said again, marks the end of the piece.
    for tick, microseconds in [*tempos, (end_tick, tempos[-1][1] if tempos else _microseconds_per_quarter(DEFAULT_QPM))]:
        score.tempos.append(symusic.Tempo(tick, mspq=microseconds))
    for signature in sequence.time_signatures:
        score.time_signatures.append(
            symusic.TimeSignature(int(_ticks(signature.time)), signature.numerator, signature.denominator)
        )
    for text in sequence.texts:
        conductor.lyrics.append(symusic.TextMeta(int(_ticks(text.time)), text.text))
    score.tracks.append(conductor)
    for part in _parts(sequence):
        score.tracks.append(_to_track(part))
    return score


def _microseconds_per_quarter(qpm: float) -> int:
    if not MICROSECONDS_PER_MINUTE / MAX_MICROSECONDS_PER_QUARTER <= qpm <= MICROSECONDS_PER_MINUTE:
        raise ValueError(f"{qpm:g} qpm: MIDI holds tempos from 3.6 to 60,000,000 quarter notes per minute")
    return round(MICROSECONDS_PER_MINUTE / qpm)


def _ticks(quarters: NDArray[np.float64] | float) -> NDArray[np.int32]:
    ticks = np.rint(np.multiply(quarters, TICKS_PER_QUARTER))
    if not np.all((ticks >= 0) & (ticks <= MAX_TICK)):
        raise ValueError(f"MIDI holds times from 0 to {MAX_TICK // TICKS_PER_QUARTER} quarters: shift or cut the piece")
    return ticks.astype(np.int32)


def _parts(sequence: NoteSequence) -> Iterator[NoteSequence]:
    """The notes of one (track, program, is_drum) at a time, in that order."""
    keys = np.stack([sequence.track, sequence.program, sequence.is_drum], axis=1)
    for key in np.unique(keys, axis=0):
        yield sequence.select((keys == key).all(axis=1))


def _name(part: NoteSequence) -> str:
    track = int(part.track[0])
    return part.track_names[track] if 0 <= track < len(part.track_names) else ""


def _to_track(part: NoteSequence) -> symusic.types.Track:
    track = symusic.Track(_name(part), int(part.program[0]), bool(part.is_drum[0]))
    start, end = _ticks(part.start), _ticks(part.end)
    # A velocity of 0 would be the end of a note.
    track.notes = symusic.Note.from_numpy(
        start, end - start, part.pitch.astype(np.int8), part.velocity.clip(1, 127).astype(np.int8), "tick"
    )
    return track


def to_pretty_midi(sequence: NoteSequence) -> pretty_midi.PrettyMIDI:
    """The same notes, tempo map, time signatures and texts (as lyrics) as a PrettyMIDI; its times are seconds."""
    score = _to_score(sequence.select(np.zeros(len(sequence), np.bool_)))
    midi = pretty_midi.PrettyMIDI(
        mido_object=mido.MidiFile(file=io.BytesIO(score.dumps_midi()), charset="utf-8"), charset="utf-8"
    )
    quarters, seconds, qpm = _tempo_map(midi)
    for part in _parts(sequence):
        instrument = pretty_midi.Instrument(int(part.program[0]), bool(part.is_drum[0]), _name(part))
        start, end = (_follow(times, quarters, seconds, 60.0 / qpm).tolist() for times in (part.start, part.end))
        columns = zip(part.velocity.tolist(), part.pitch.tolist(), start, end, strict=True)
        instrument.notes = [pretty_midi.Note(*column) for column in columns]
        midi.instruments.append(instrument)
    return midi


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> NoteSequence:
    """The NoteSequence of a PrettyMIDI; `track` is the instrument's index, texts are its lyrics."""
    raise NotImplementedError


def _tempo_map(midi: pretty_midi.PrettyMIDI) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The times of the tempo changes in quarters and in seconds, and the tempos in qpm from there on."""
    seconds, qpm = midi.get_tempo_changes()
    quarters = np.concatenate([[0.0], np.cumsum(np.diff(seconds) * qpm[:-1] / 60.0)])
    return quarters, seconds, qpm


def _follow(
    times: NDArray[np.float64], begin: NDArray[np.float64], value: NDArray[np.float64], slope: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values at `times` of the piecewise linear function that is `value` at `begin` and rises by `slope` from there."""
    piece = np.searchsorted(begin, times, side="right") - 1
    return value[piece] + (times - begin[piece]) * slope[piece]
