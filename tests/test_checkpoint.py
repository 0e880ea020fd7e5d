from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from musevae import checkpoint
from musevae.checkpoint import CheckpointError, read_tensors, write_json, write_tensors
from musevae.config import Config, ConfigError
from musevae.vaes import MusicVAE, load_model, save_model

Damage = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path, vae: MusicVAE) -> Path:
    save_model(tmp_path / "model", vae)
    return tmp_path / "model"


def assert_equal_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_model_is_read_as_saved(folder: Path, vae: MusicVAE) -> None:
    loaded = load_model(folder)
    assert_equal_weights(loaded.state_dict(), vae.state_dict())
    assert loaded.config == vae.config
    assert not loaded.training


def test_model_folder_holds_two_files(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_half_precision_halves_the_file_and_is_read_as_float32(folder: Path, vae: MusicVAE) -> None:
    size = (folder / "model.safetensors").stat().st_size
    save_model(folder, vae, half=True)
    assert (folder / "model.safetensors").stat().st_size < 0.75 * size
    for name, tensor in load_model(folder).state_dict().items():
        assert torch.equal(tensor, vae.state_dict()[name].half().float())


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": "hierarchical", "segments": 4},
        {"decoder": "hierarchical", "segments": 4, "conductor_sizes": (6,)},
        {"encoder_sizes": (5, 6), "decoder_sizes": (7, 8)},
    ],
)
def test_every_architecture_is_read_as_saved(tmp_path: Path, tiny: Config, changes: dict[str, Any]) -> None:
    vae = MusicVAE(replace(tiny, model=replace(tiny.model, **changes)))
    vae.save_pretrained(tmp_path)
    assert_equal_weights(MusicVAE.from_pretrained(tmp_path).state_dict(), vae.state_dict())


def test_equal_models_give_equal_bytes(folder: Path, vae: MusicVAE, tmp_path: Path) -> None:
    save_model(tmp_path / "again", vae)
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "again").iterdir())
    ]


def test_preset_gives_an_untrained_model_with_fields_changed() -> None:
    vae = MusicVAE.from_preset("melody-2bar", z_size=3, encoder_sizes=(4,), decoder_sizes=(5,))
    assert (vae.z_size, vae.config.model.encoder_sizes, vae.steps) == (3, (4,), 32)
    with pytest.raises(ConfigError, match=r"z_sise is unknown: did you mean z_size\?"):
        MusicVAE.from_preset("melody-2bar", z_sise=3)


# Damage


def change_config(**changes: object) -> Damage:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        write_json(folder / "config.json", content | changes)

    return damage


def change_weights(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Damage:
    def damage(folder: Path) -> None:
        weights, _ = read_tensors(folder / "model.safetensors")
        write_tensors(folder / "model.safetensors", change(weights))

    return damage


def cut(folder: Path, size: int) -> None:
    os.truncate(folder / "model.safetensors", size)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"is no model folder: it has no config\.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"no model folder: it has no model\.safetensors"),
        (lambda folder: cut(folder, 0), r"model\.safetensors is damaged"),
        (lambda folder: cut(folder, 7), r"model\.safetensors is damaged"),
        (lambda folder: cut(folder, 100), r"model\.safetensors is damaged"),
        (lambda folder: cut(folder, (folder / "model.safetensors").stat().st_size - 1), r"safetensors is damaged"),
        (lambda folder: (folder / "model.safetensors").write_bytes(pickle.dumps({})), r"safetensors is damaged"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json: "),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff"), r"config\.json: "),
        (lambda folder: (folder / "config.json").write_text("[]"), r"config\.json: "),
        (change_config(format_version=2), r"config\.json: format version 2; this musevae reads 1: update musevae"),
        (change_config(modle={}), r"config\.json: modle is unknown: did you mean model\?"),
        (change_config(preset=1), r"config\.json: preset cannot be 1"),
        (change_config(model={"encoder": "transformer"}), r"config\.json: encoder transformer is unknown"),
        (change_config(representation={"bars": 0}), r"config\.json: bars cannot be 0"),
        (change_config(model={"encoder_sizes": [65536] * 8}), "do not fit the model"),  # terabytes, were it built
        (change_config(model={}), r"weights do not fit the model: .* is missing, unknown or of another shape"),
        (change_weights(lambda weights: dict(list(weights.items())[1:])), "do not fit"),
        (change_weights(lambda weights: weights | {"extra": torch.zeros(1)}), "do not fit the model: extra is"),
        (change_weights(lambda weights: weights | {"head.mu.bias": torch.zeros(5)}), r"head\.mu\.bias is"),
        (
            change_weights(lambda weights: weights | {"head.mu.bias": torch.tensor([0, 0, 0, float("nan")])}),
            r"head\.mu\.bias holds values that are not finite",
        ),
        (
            change_weights(lambda weights: weights | {"head.mu.bias": torch.full((4,), float("inf"))}),
            r"head\.mu\.bias holds values that are not finite",
        ),
    ],
)
def test_damaged_folder_is_refused_by_its_name(folder: Path, damage: Damage, problem: str) -> None:
    damage(folder)
    with pytest.raises(CheckpointError, match=f"^{folder}.*{problem}"):
        load_model(folder)


@pytest.mark.parametrize("name", [".", "nowhere", "model/config.json"])
def test_what_is_no_model_folder_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="is no model folder"):
        load_model(folder.parent / name)


def test_interrupted_save_leaves_the_old_model(folder: Path, vae: MusicVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [path.read_bytes() for path in sorted(folder.iterdir())]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with torch.no_grad():
        vae.head.mu.bias.add_(1)
    with pytest.raises(KeyboardInterrupt):
        save_model(folder, vae)
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == before


def test_nothing_is_unpickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    load_model(folder)


def test_tensors_carry_their_metadata(tmp_path: Path) -> None:
    write_tensors(tmp_path / "file", {"a": torch.arange(3)}, {"step": "7", "größe": "ß"})
    tensors, metadata = checkpoint.read_tensors(tmp_path / "file")
    assert torch.equal(tensors["a"], torch.arange(3))
    assert metadata == {"step": "7", "größe": "ß"}
    write_tensors(tmp_path / "file", {"a": torch.arange(3)})
    assert checkpoint.read_tensors(tmp_path / "file")[1] == {}
