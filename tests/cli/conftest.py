"""The command, a tiny model, tunes and a dataset."""

from pathlib import Path

import pytest
import torch

from data_prep import prepare
from musevae import MelodyRepresentation, MusicVAE, NoteSequence, TrainedModel, write_midi
from musevae.music.note_sequence import Note
from tests.cli.command import Command, Write


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def musevae() -> Command:
    return Command()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained model called tiny."""
    torch.manual_seed(0)
    vae = MusicVAE.from_preset("melody-2bar", z_size=8, encoder_sizes=(16,), decoder_sizes=(16,))
    folder = tmp_path_factory.mktemp("models") / "tiny"
    TrainedModel(vae, "tiny").save(folder)
    return folder


@pytest.fixture
def write() -> Write:
    """Write quarter notes upwards from middle C, or a tune of the test's own, into the test's folder."""

    def write_tune(
        name: str = "up.mid",
        sequence: NoteSequence | None = None,
        *,
        bars: int = 2,
        qpm: float = 120,
        metre: tuple[int, int] = (4, 4),
    ) -> Path:
        notes = [Note(60 + i, i, i + 1) for i in range(4 * bars)]
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_midi(
            NoteSequence.from_notes(notes, qpm=qpm, time_signature=metre) if sequence is None else sequence, path
        )
        return path

    return write_tune


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 19 training windows, 9 for validation and none for test."""
    tunes = tmp_path_factory.mktemp("tunes")
    for split, bars in {"train": 20, "validation": 10}.items():
        (tunes / split).mkdir()
        notes = [Note(40 + 7 * i % 50, i, i + 1) for i in range(4 * bars)]
        write_midi(NoteSequence.from_notes(notes), tunes / split / "scale.mid")
    folder = tmp_path_factory.mktemp("datasets") / "scales"
    prepare([tunes], folder, MelodyRepresentation())
    return folder
