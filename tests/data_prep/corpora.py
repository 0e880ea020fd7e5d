"""Tunes for the tests here, and ways to read them that go wrong; worker processes import this too."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from data_prep.pieces import Gain, Guard, Recipe, read_piece
from data_prep.sources import Source
from musevae.music.melody import MelodyRepresentation
from musevae.music.midi import write_midi
from musevae.music.note_sequence import Note, NoteSequence

ONE_BAR = MelodyRepresentation(bars=1)


def tune(*pitches: int, track: int = 0) -> NoteSequence:
    """A whole note, one bar, of each pitch."""
    return NoteSequence.from_notes(
        [Note(pitch, 4 * bar, 4 * bar + 4, track=track) for bar, pitch in enumerate(pitches)]
    )


def write_tunes(folder: Path, tunes: dict[str, NoteSequence]) -> Path:
    for name, sequence in tunes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_midi(sequence, folder / name)
    return folder


def write_corpus(folder: Path, count: int = 24) -> Path:
    """Tunes of two windows each, every third one in a folder that names a split, and a broken file."""
    splits = ("", "validation/", "test/")
    tunes = {f"{splits[index % 3]}{index:02d}.mid": tune(30 + index, 90 - index) for index in range(count)}
    (write_tunes(folder, tunes) / "broken.mid").write_bytes(b"MThd")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def deadly(source: Source, recipe: Recipe, guard: Guard) -> Gain:
    """Reading 07.mid ends the process."""
    if source.name.endswith("07.mid"):
        os.kill(os.getpid(), signal.SIGKILL)
    return read_piece(source, recipe, guard)


def endless(source: Source, recipe: Recipe, guard: Guard) -> Gain:
    """Reading 07.mid never ends, and no alarm is heard."""
    if source.name.endswith("07.mid"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(600)
    return read_piece(source, recipe, guard)


def unlucky(source: Source, recipe: Recipe, guard: Guard) -> Gain:
    """Reading 07.mid ends the process the first time."""
    mark = Path(source.path).with_suffix(".read")
    if source.name.endswith("07.mid") and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return read_piece(source, recipe, guard)


def slow(source: Source, recipe: Recipe, guard: Guard) -> Gain:
    """Reading takes its time."""
    time.sleep(0.3)
    return read_piece(source, recipe, guard)
