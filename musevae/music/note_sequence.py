"""NoteSequence: the notes of a piece as arrays, in quarter notes; what every representation reads and writes."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pretty_midi

DEFAULT_QPM = 120.0
DEFAULT_VELOCITY = 80
COLUMNS = {  # name -> dtype, in the order of Note
    "pitch": np.uint8,
    "start": np.float64,
    "end": np.float64,
    "velocity": np.uint8,
    "program": np.uint8,
    "is_drum": np.bool_,
    "track": np.int32,
}


class Note(NamedTuple):
    """One note; `start` and `end` in quarter notes."""

    pitch: int
    start: float
    end: float
    velocity: int = DEFAULT_VELOCITY
    program: int = 0
    is_drum: bool = False
    track: int = 0


class Tempo(NamedTuple):
    """A tempo in quarter notes per minute, from `time` (quarter notes) on."""

    time: float
    qpm: float


class TimeSignature(NamedTuple):
    """A time signature from `time` (quarter notes) on."""

    time: float
    numerator: int
    denominator: int

    @property
    def bar_quarters(self) -> float:
        """Length of a bar in quarter notes."""
        return 4.0 * self.numerator / self.denominator


class Text(NamedTuple):
    """A marker, chord name or lyric at `time` (quarter notes)."""

    time: float
    text: str


@dataclass(frozen=True, eq=False, repr=False)
class NoteSequence:
    """The notes of a piece, sorted by start, then pitch; all times in quarter notes.

    Equality compares every field; the arrays are read-only.
    """

    pitch: NDArray[np.uint8]  # (N,) 0..127
    start: NDArray[np.float64]  # (N,) quarter notes
    end: NDArray[np.float64]  # (N,) quarter notes
    velocity: NDArray[np.uint8]  # (N,) 1..127
    program: NDArray[np.uint8]  # (N,) General MIDI program 0..127
    is_drum: NDArray[np.bool_]  # (N,)
    track: NDArray[np.int32]  # (N,) index into track_names where those are known
    end_time: float = 0.0  # quarter notes; at least the last note's end
    tempos: tuple[Tempo, ...] = (Tempo(0.0, DEFAULT_QPM),)
    time_signatures: tuple[TimeSignature, ...] = (TimeSignature(0.0, 4, 4),)
    track_names: tuple[str, ...] = field(default=())
    texts: tuple[Text, ...] = field(default=())

    def __post_init__(self) -> None:
        columns: dict[str, NDArray[Any]] = {name: np.array(getattr(self, name), COLUMNS[name]) for name in COLUMNS}
        if not _in_order(columns["start"], columns["pitch"]):
            order = np.lexsort((columns["pitch"], columns["start"]))
            columns = {name: column[order] for name, column in columns.items()}
        _set(self, columns)
        last = float(self.end.max()) if len(self) else 0.0
        object.__setattr__(self, "end_time", max(float(self.end_time), last))

    @classmethod
    def from_notes(
        cls,
        notes: Iterable[Note],
        *,
        qpm: float = DEFAULT_QPM,
        time_signature: tuple[int, int] = (4, 4),
        end_time: float = 0.0,
    ) -> NoteSequence:
        """Build a sequence of one tempo and one time signature from `Note`s in any order."""
        rows = [Note(*note) for note in notes]
        columns: dict[str, Any] = {
            name: np.array([getattr(row, name) for row in rows], dtype) for name, dtype in COLUMNS.items()
        }
        signature = TimeSignature(0.0, *time_signature)
        return cls(**columns, end_time=end_time, tempos=(Tempo(0.0, qpm),), time_signatures=(signature,))

    @property
    def qpm(self) -> float:
        """The first tempo, in quarter notes per minute."""
        return self.tempos[0].qpm if self.tempos else DEFAULT_QPM

    @property
    def notes(self) -> list[Note]:
        """The notes one by one, for reading and for tests; computation uses the arrays."""
        return [Note(*row) for row in zip(*(getattr(self, name).tolist() for name in COLUMNS), strict=True)]

    def __len__(self) -> int:
        return len(self.pitch)

    def __repr__(self) -> str:
        signature = self.time_signatures[0] if self.time_signatures else TimeSignature(0.0, 4, 4)
        tracks = len(np.unique(self.track))
        return (
            f"NoteSequence({len(self)} notes, {tracks} track{'s' * (tracks != 1)}, {self.end_time:g} quarters, "
            f"{self.qpm:g} qpm, {signature.numerator}/{signature.denominator})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NoteSequence):
            return NotImplemented
        arrays_equal = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in COLUMNS)
        return arrays_equal and self._context == other._context

    __hash__ = None  # type: ignore[assignment]

    @property
    def _context(self) -> tuple[object, ...]:
        return self.end_time, self.tempos, self.time_signatures, self.track_names, self.texts

    def track_name(self, index: int) -> str:
        """The name of a track, "" where it has none."""
        return self.track_names[index] if index < len(self.track_names) else ""

    def select(self, mask: NDArray[np.bool_]) -> NoteSequence:
        """The notes where `mask` (N,) is true; everything else stays as it is."""
        return self._with({name: getattr(self, name)[mask] for name in COLUMNS})

    def _with(self, columns: dict[str, NDArray[Any]]) -> NoteSequence:
        """The same with other notes, which are in order already: __post_init__ would sort, convert and copy them."""
        made = copy(self)
        _set(made, columns)
        return made

    def shift(self, quarters: float) -> NoteSequence:
        """The same notes `quarters` later; tempo map and time signatures stay where they are."""
        return replace(self, start=self.start + quarters, end=self.end + quarters, end_time=self.end_time + quarters)

    def to_pretty_midi(self) -> pretty_midi.PrettyMIDI:
        """The same piece as a PrettyMIDI, whose times are seconds; see `musevae.music.midi.to_pretty_midi`."""
        from musevae.music.midi import to_pretty_midi  # keeps pretty_midi out of the import of this module

        return to_pretty_midi(self)


def _set(sequence: NoteSequence, columns: dict[str, NDArray[Any]]) -> None:
    for name, column in columns.items():
        column.flags.writeable = False
        object.__setattr__(sequence, name, column)


def _in_order(start: NDArray[Any], pitch: NDArray[Any]) -> bool:
    """Whether notes are sorted by start, then pitch, which is quicker to see than to do again."""
    later, together = start[1:] > start[:-1], start[1:] == start[:-1]
    return bool((later | together & (pitch[1:] >= pitch[:-1])).all())


def concatenate(sequences: Iterable[NoteSequence]) -> NoteSequence:
    """One after another, each beginning where the last one's `end_time` lies; tempo and metre of the first."""
    parts = _some(sequences)
    offsets = np.cumsum([0.0] + [part.end_time for part in parts])
    shifted = [part.shift(float(offset)) for part, offset in zip(parts, offsets, strict=False)]
    return replace(parts[0], **_columns(shifted), end_time=float(offsets[-1]))


def merge(sequences: Iterable[NoteSequence]) -> NoteSequence:
    """All at once, the notes of each on a track of its own; tempo and metre of the first."""
    parts = _some(sequences)
    columns = _columns(parts) | {"track": np.repeat(np.arange(len(parts)), [len(part) for part in parts])}
    return replace(parts[0], **columns, end_time=max(part.end_time for part in parts))


def _some(sequences: Iterable[NoteSequence]) -> list[NoteSequence]:
    parts = list(sequences)
    if not parts:
        raise ValueError("nothing to join: give at least one sequence")
    return parts


def _columns(parts: Iterable[NoteSequence]) -> dict[str, Any]:
    """The columns of all parts, one after another."""
    together = list(parts)
    return {name: np.concatenate([getattr(part, name) for part in together]) for name in COLUMNS}
