from __future__ import annotations

from pathlib import Path

import pytest

from musevae import pretrained
from musevae.checkpoint import CheckpointError
from musevae.vaes import MusicVAE, save_model


@pytest.fixture
def bundled(tmp_path: Path, vae: MusicVAE, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled models of which `melody-2bar` is one; the working directory is empty."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr(pretrained, "BUNDLED", tmp_path / "weights")
    for name in ("melody-2bar", "another"):
        save_model(tmp_path / "weights" / name, vae)
    return tmp_path / "weights"


def test_bundled_models_are_listed_by_name_with_their_configs(bundled: Path, vae: MusicVAE) -> None:
    assert pretrained.list_models() == {"another": vae.config, "melody-2bar": vae.config}


def test_bundled_model_is_loaded_by_name_and_melody_2bar_by_none(bundled: Path) -> None:
    assert pretrained.load("another").name == "another"
    assert pretrained.load().name == "melody-2bar"


def test_folder_is_loaded_and_named_by_its_last_part(bundled: Path) -> None:
    assert pretrained.load(bundled / "another").name == "another"
    assert pretrained.load(str(bundled / "another" / ".." / "melody-2bar")).name == "melody-2bar"


def test_existing_path_wins_over_a_bundled_name(bundled: Path, vae: MusicVAE) -> None:
    save_model(Path("another"), vae)
    assert pretrained.locate("another") == Path("another")
    Path("melody-2bar").mkdir()
    with pytest.raises(CheckpointError, match=r"melody-2bar is no model folder: it has no config\.json"):
        pretrained.load("melody-2bar")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("melody-2bars", r"neither a folder nor a bundled model: did you mean melody-2bar\?"),
        ("xyz", "neither a folder nor a bundled model: another, melody-2bar"),
        (
            "hierdec-mel_16bar",
            "no weights of hierdec-mel_16bar are bundled .*another, melody-2bar.*musevae train hierdec",
        ),
    ],
)
def test_unknown_model_is_refused_and_the_nearest_named(bundled: Path, name: str, problem: str) -> None:
    with pytest.raises(CheckpointError, match=problem):
        pretrained.load(name)


def test_file_is_refused(bundled: Path) -> None:
    with pytest.raises(CheckpointError, match="is no model folder"):
        pretrained.load(bundled / "another" / "model.safetensors")
