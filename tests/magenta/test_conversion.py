"""Checkpoints become models; tests/models/test_parity.py checks their numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from musevae import NoteSequence, TrainedModel, load
from musevae.config import ConfigError
from musevae.magenta import conversion
from musevae.magenta.conversion import import_magenta
from musevae.magenta.errors import MagentaError
from musevae.magenta.length import with_steps
from musevae.magenta.variables import read_variables
from musevae.music.note_sequence import Note
from musevae.presets import preset
from musevae.vaes import save_model

PARITY = Path(__file__).parents[1] / "data" / "parity"
SMALL = PARITY / "cat-mel_2bar_small"
REAL = Path(__file__).parents[3] / "shared" / "data" / "magenta_mel_small"
MAJOR = [0, 2, 4, 5, 7, 9, 11]

Variables = dict[str, NDArray[np.float32]]


def change(monkeypatch: pytest.MonkeyPatch, **changes: NDArray[np.float32] | None) -> None:
    """Let the checkpoint of the small fixture hold other variables (None: not that one)."""
    held: Variables = {**read_variables(SMALL)}
    for name, value in changes.items():
        held.pop(name, None)
        if value is not None:
            held[name] = value
    monkeypatch.setattr(conversion, "read_variables", lambda path: held)


def test_imported_model_is_an_ordinary_model_folder(tmp_path: Path) -> None:
    vae = import_magenta(SMALL)
    save_model(tmp_path / "imported", vae)
    model = load(tmp_path / "imported")
    assert model.config.provenance == {"imported_from": "cat-mel_2bar_small"}
    assert all(torch.equal(value, vae.state_dict()[name]) for name, value in model.vae.state_dict().items())
    assert len(model.sample(2, seed=0, temperature=1.0)) == 2


def test_settings_give_a_checkpoint_the_length_that_it_does_not_tell() -> None:
    assert import_magenta(SMALL, settings=["representation.bars=4"]).steps == 64


def test_checkpoint_without_an_encoder_samples_but_does_not_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch, **{"encoder/cell_0/bidirectional_rnn/fw/multi_rnn_cell/cell_0/lstm_cell/kernel": None})
    model = TrainedModel(import_magenta(SMALL), "half")
    tunes = model.sample(2, seed=0, temperature=1.0)
    with pytest.raises(ValueError, match="this model decodes only"):
        model.encode(tunes)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("decoder/output_projection/kernel", None, "it has no decoder/output_projection/kernel"),
        ("decoder/output_projection/kernel", np.zeros((3, 90), np.float32), r"has the shape \(90, 3\), not \(90, 20\)"),
        ("decoder/multi_rnn_cell/cell_1/lstm_cell/kernel", np.zeros((9, 80), np.float32), r"lstm_cell has the shape"),
        ("decoder/more/kernel", np.zeros(3, np.float32), "'decoder/more/kernel' has no place in cat-mel_2bar_small"),
        ("encoder/sigma/bias", None, "it has no encoder/sigma/bias"),
    ],
)
def test_variables_that_do_not_fit_are_refused(
    name: str, value: NDArray[np.float32] | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, **{name: value})
    with pytest.raises(MagentaError, match=f"^cat-mel_2bar_small: .*{problem}"):
        import_magenta(SMALL)


def test_config_and_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean cat-mel_2bar_small"):
        import_magenta(SMALL, "cat-mel_2bar_smol")
    with pytest.raises(ConfigError, match="bars cannot be 0"):
        import_magenta(SMALL, settings=["representation.bars=0"])


@pytest.mark.parametrize("name", ["cat-mel_2bar_med_chords", "groovae_4bar", "groovae_2bar_hits_control_tfds"])
def test_models_without_a_music_side_say_so(name: str) -> None:
    model = TrainedModel(import_magenta(PARITY / name), name)
    with pytest.raises(ValueError, match=r"tensor|control"):
        model.sample(1)
    with pytest.raises(ValueError, match=r"tensor|control"):
        model.encode([NoteSequence.from_notes([Note(60, 0, 1)])])


@pytest.mark.skipif(not REAL.exists(), reason="needs Magenta's published weights")
def test_published_weights_have_the_statistics_that_are_known_of_them() -> None:
    """Of 256 samples at temperature 0.5: 10.1 notes and 2.6 note-offs, 91 % in a major scale, 46 % on the beat."""
    vae, draw = import_magenta(REAL), torch.Generator().manual_seed(1)
    events = vae.decode(torch.randn(256, 256, generator=draw), temperature=0.5, generator=draw).numpy()
    pitches = [row[row >= 2] + 19 for row in events if (row >= 2).any()]
    in_scale = [max(np.isin((notes - key) % 12, MAJOR).mean() for key in range(12)) for notes in pitches]
    on_beat = [(np.flatnonzero(row >= 2) % 4 == 0).mean() for row in events if (row >= 2).any()]
    assert (events >= 2).sum(1).mean() == pytest.approx(10.1, abs=1)
    assert (events == 1).sum(1).mean() == pytest.approx(2.6, abs=0.5)
    assert np.mean(in_scale) == pytest.approx(0.91, abs=0.02)
    assert np.mean(on_beat) == pytest.approx(0.46, abs=0.04)


def test_sizes_that_no_variable_fills_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bias of a megabyte can ask for a kernel of 64 GiB; the model is only made when all shapes fit."""
    wide = np.zeros(4 << 16, np.float32)
    change(monkeypatch, **{"decoder/multi_rnn_cell/cell_1/lstm_cell/bias": wide})
    with pytest.raises(MagentaError, match="has the shape"):
        import_magenta(SMALL)


@pytest.mark.parametrize(("steps", "bars"), [(32, 2), (64, 4), (16, 1)])
def test_length_told_beside_a_javascript_checkpoint_is_taken(steps: int, bars: int, tmp_path: Path) -> None:
    shutil.copytree(PARITY / "js-mel_2bar", tmp_path / "js")
    description = tmp_path / "js" / "config.json"
    description.write_text(json.dumps({"dataConverter": {"type": "MelodyConverter", "args": {"numSteps": steps}}}))
    assert import_magenta(tmp_path / "js").config.representation.bars == bars


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "config.json is damaged"), ('{"args": {"numSteps": 33}}', "33 steps, no whole number of bars")],
)
def test_length_that_cannot_be_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    shutil.copytree(PARITY / "js-mel_2bar", tmp_path / "js")
    (tmp_path / "js" / "config.json").write_text(text)
    with pytest.raises(MagentaError, match=problem):
        import_magenta(tmp_path / "js")


@pytest.mark.parametrize(
    ("name", "segments"), [("hierdec-mel_16bar", 4), ("hierdec-trio_16bar", 4), ("cat-mel_2bar_big", None)]
)
def test_shorter_hierarchical_models_keep_the_length_of_their_segments(name: str, segments: int | None) -> None:
    config = with_steps(preset(name), 64)
    assert (config.representation.bars, config.model.segments) == (4, segments)
