"""Tiny models, datasets and tunes that many tests share; one thread, so that equal seeds give equal bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from musevae.config import Config, MelodyConfig, ModelConfig, TrainConfig
from musevae.music.melody import FIRST_NOTE
from musevae.music.note_sequence import Note, NoteSequence
from musevae.music.shards import write_dataset
from musevae.presets import representation
from musevae.trained_model import TrainedModel
from musevae.vaes import MusicVAE

torch.set_num_threads(1)
settings.register_profile(
    "same every time", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same every time")

Windows = NDArray[np.uint8]
MakeDataset = Callable[..., Path]

TINY = Config(
    preset="tiny",
    representation=MelodyConfig(bars=1, steps_per_quarter=2, min_pitch=60, max_pitch=71),
    model=ModelConfig(z_size=4, encoder_sizes=(8,), decoder_sizes=(8,)),
    train=TrainConfig(steps=8, batch_size=4, log_every=1, validate_every=2, transpose=2),
)


@pytest.fixture(scope="session")
def tiny() -> Config:
    """One bar of an octave, 8 steps of 14 classes, and a model of 8 cells a layer."""
    return TINY


@pytest.fixture
def vae(tiny: Config) -> MusicVAE:
    """A tiny model of fixed random weights, large enough that it neither holds still nor always says the same."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = MusicVAE(tiny)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(3)
    return model.eval()


@pytest.fixture
def model(vae: MusicVAE) -> TrainedModel:
    return TrainedModel(vae, "tiny")


def random_windows(count: int) -> Windows:
    """Windows (count, 8) of the tiny representation, all different, each beginning with a note."""
    draw = np.random.default_rng(0)
    notes = draw.integers(FIRST_NOTE, 14, (count, 8), dtype=np.uint8)
    windows = np.where(draw.random((count, 8)) < 0.5, notes, 0).astype(np.uint8)
    windows[:, 0] = notes[:, 0]
    assert len(np.unique(windows, axis=0)) == count
    return windows


def write_random_dataset(folder: Path, train: int = 12, validation: int = 6) -> Path:
    windows, events = random_windows(train + validation), representation(TINY.representation)
    arrays = {"train": windows[:train], "validation": windows[train:], "test": windows[:0]}
    manifest = {
        "representation": {"name": events.name, **asdict(events)},
        "window_shape": list(events.shape),
        "dtype": "uint8",
        "sources": [{"name": "random", "files": 1}],
    }
    write_dataset(folder, arrays, manifest)
    return folder


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Write a dataset folder of so many random `train` and `validation` windows; returns the folder."""
    return partial(write_random_dataset, tmp_path / "dataset")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 12 windows to train on and 6 to validate on, which no test changes."""
    return write_random_dataset(tmp_path_factory.mktemp("shared") / "dataset")


@pytest.fixture
def tune() -> NoteSequence:
    """One bar of four quarters, within the tiny model's octave."""
    return NoteSequence.from_notes([Note(60, 0, 1), Note(64, 1, 2), Note(67, 2, 3), Note(71, 3, 4)], qpm=90)


@pytest.fixture
def other_tune(tune: NoteSequence) -> NoteSequence:
    """The same bar backwards, at another tempo."""
    return replace(tune, pitch=tune.pitch[::-1], tempos=NoteSequence.from_notes([], qpm=140).tempos)


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]
