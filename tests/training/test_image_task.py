"""Images go through the same trainer as music: what is theirs alone is tested here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from musevae.checkpoint import CheckpointError, load_config, read_tensors
from musevae.config import ConfigError, ImageConfig
from musevae.config.reading import override
from musevae.images.image_set import ImageDataError
from musevae.training import states
from musevae.training.image_task import ImageTask
from musevae.training.run import train
from musevae.training.trainer import TrainResult
from musevae.vaes import ImageVAE, load_model
from tests.training.image_data import TINY, bars, write_mnist

CPU = torch.device("cpu")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_mnist(tmp_path / "bars")


def run(data: Path, folder: Path, settings: Sequence[str] = (), **how: Any) -> TrainResult:  # noqa: ANN401
    return train(override(TINY, settings), data, folder, device="cpu", **how)


def lines(run: Path, kind: str) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [entry for entry in entries if entry["kind"] == kind]


def test_epochs_are_so_many_steps_of_whole_batches(data: Path, tmp_path: Path) -> None:
    """36 images to train on, 4 to validate: 4 batches of 8 an epoch."""
    result = run(data, tmp_path / "run")
    assert (result.step, result.finished) == (8, True)
    assert result.validation_loss == min(entry["loss"] for entry in lines(tmp_path / "run", "validation"))


def test_run_is_a_model_folder_that_says_what_it_was_trained_on(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run", seed=3)
    config = load_config(tmp_path / "run")
    assert isinstance(config, ImageConfig)
    assert {"data": ["bars"], "seed": 3}.items() <= config.provenance.items()
    assert isinstance(load_model(tmp_path / "run"), ImageVAE)


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["train.samples=5"],
        ["train.samples=5", "train.resampled=2"],
        ["train.samples=5", "train.resampled=1", "model.labels=8"],
        ["train.beta=0", "train.mmd=100"],
        ["train.free_bits_per_dim=0.5"],
        ["model.noise=false"],
        ["model.labels=8"],
        ["model.likelihood=logistic"],
        ["model.likelihood=gaussian"],
        ["model.network=conv", "model.sizes=4,6"],
        ["model.network=draw", "model.hidden_size=16", "model.glimpses=3"],
        ["model.network=draw", "model.hidden_size=16", "model.glimpses=3", "model.attention=2,3"],
    ],
    ids=lambda settings: " ".join(settings) or "plain",
)
def test_learns_by_any_network_likelihood_and_objective(data: Path, tmp_path: Path, settings: list[str]) -> None:
    run(data, tmp_path / "run", [*settings, "train.epochs=15", "train.validate_every=1000"])
    losses = [entry["loss"] for entry in lines(tmp_path / "run", "train")]
    assert sum(losses[-4:]) < sum(losses[:4])


@pytest.mark.parametrize("settings", [[], ["model.noise=false"], ["model.network=draw", "model.hidden_size=16"]])
def test_resumed_run_is_the_uninterrupted_one(data: Path, tmp_path: Path, settings: list[str]) -> None:
    run(data, tmp_path / "whole", settings, seed=5)
    run(data, tmp_path / "halves", settings, seed=5, steps=3)
    assert load_config(tmp_path / "halves").provenance["steps"] == 3
    run(data, tmp_path / "halves", resume=True)
    whole, halves = (read_tensors(tmp_path / name / states.LAST)[0] for name in ("whole", "halves"))
    assert all(torch.equal(whole[name], halves[name]) for name in whole | halves)


def test_binarisation_is_drawn_anew_at_each_step_and_once_for_validation(data: Path) -> None:
    task = ImageTask(TINY, data, CPU)
    rows = torch.arange(8)
    first, second = (task.batch(rows, torch.Generator().manual_seed(n))[0] for n in (0, 1))
    assert not torch.equal(first, second)
    held = [torch.cat([x for (x,) in task.validation(torch.Generator().manual_seed(0))]) for _ in range(2)]
    assert torch.equal(*held)


def test_labels_go_with_their_images(data: Path) -> None:
    task = ImageTask(override(TINY, ["model.labels=8"]), data, CPU)
    _, labels = task.batch(torch.arange(10, 18), torch.Generator().manual_seed(0))
    assert labels.tolist() == bars(36)[1][10:18].tolist()


def test_untrained_model_makes_the_mean_image(data: Path) -> None:
    task, vae = ImageTask(TINY, data, CPU), ImageVAE(TINY)
    task.begin(vae)
    vae.image[-1].weight.data.zero_()
    expected = torch.from_numpy(bars(40)[0][:36]).float().mean(0) / 255
    torch.testing.assert_close(vae.decode(torch.zeros(1, 3))[0, 0], expected)


def test_fewer_labels_than_the_data_have_are_refused_with_the_remedy(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels up to 7, and the model 5: --set model.labels=8"):
        ImageTask(override(TINY, ["model.labels=5"]), data, CPU)


def test_conditional_model_needs_labels(tmp_path: Path) -> None:
    bare = write_mnist(tmp_path / "bare", labels=False)
    with pytest.raises(ImageDataError, match=r"bare has no labels, which tiny-images is trained with"):
        ImageTask(override(TINY, ["model.labels=8"]), bare, CPU)


def test_images_of_another_size_are_refused(data: Path) -> None:
    with pytest.raises(ImageDataError, match="images 8 high and 8 wide; wanted are 16 high"):
        ImageTask(override(TINY, ["images.height=16", "images.width=16"]), data, CPU)


def test_fewer_images_than_a_batch_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the training split has 36 images, fewer than a batch of 64"):
        run(data, tmp_path / "run", ["train.batch_size=64"])


def test_run_of_another_preset_is_not_resumed(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run")
    with pytest.raises(CheckpointError, match="is a run of tiny-images, not of other"):
        train(replace(TINY, preset="other"), data, tmp_path / "run", resume=True)


def test_several_draws_take_no_weights() -> None:
    with pytest.raises(ConfigError, match="needs beta 1 from the start, and no free bits or mmd"):
        override(TINY, ["train.samples=5", "train.beta=0.5"])


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (["train.resampled=1"], "resampled is 1: it must be less than samples, 1"),
        (["train.samples=5", "train.resampled=-1"], "resampled is -1"),
        (["train.samples=5", "train.resampled=2", "model.network=draw"], "leave train.resampled at 0"),
    ],
)
def test_resampling_that_cannot_be_is_refused(settings: list[str], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        override(TINY, settings)
