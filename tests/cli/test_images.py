"""`musevae image ...` as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from musevae.trained_image_model import TrainedImageModel
from musevae.vaes import ImageVAE, MusicVAE, save_model
from tests.cli.command import Command
from tests.images.idx_files import write_idx
from tests.training.image_data import TINY, bars, write_mnist

SMALL = ["images.height=8", "images.width=8", "model.sizes=16", "train.batch_size=8", "train.epochs=2"]
SMALLER = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture
def data() -> Path:
    return write_mnist(Path("bars"))


@pytest.fixture
def model() -> Path:
    torch.manual_seed(0)
    TrainedImageModel(ImageVAE(TINY), "tiny").save("tiny")
    return Path("tiny")


def size(path: str) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_train_evaluate_and_sample(musevae: Command, data: Path) -> None:
    told = musevae.succeeds("image", "train", "mnist-mlp", "--data", data, "--run", "run", "--seed", 1, *SMALLER)
    assert told.splitlines()[1] == "see it with: musevae image sample -m run"
    figures = musevae.json("image", "evaluate", "run", "--data", data, "--iwae", 20)
    assert list(figures) == [
        *("model", "split", "images", "nelbo_nats", "reconstruction_nats", "kl_nats", "iwae_nats", "k"),
        *("bits_per_dim", "active_units"),
    ]
    assert figures["images"] == 16
    assert figures["k"] == 20
    assert figures["iwae_nats"] < figures["nelbo_nats"] == figures["reconstruction_nats"] + figures["kl_nats"]
    assert figures == musevae.json("image", "evaluate", "run", "--data", data, "--iwae", 20)
    assert musevae.json("image", "evaluate", "run", "--data", data)["iwae_nats"] is None
    musevae.succeeds("image", "sample", "-m", "run", "-n", 10, "--seed", 7)
    assert size("out/run-sample-s7.png") == (8 * 8 + 7 * 2, 2 * 8 + 2)


def test_sample_says_its_temperature(musevae: Command, model: Path) -> None:
    given = ["image", "sample", "-m", model, "-n", 2, "--seed", 7, "-o"]
    assert "model tiny, temperature 1, seed 7" in musevae.succeeds(*given, "a")
    assert musevae.json(*given, "b", "--temperature", 0.5)["temperature"] == 0.5
    assert not np.array_equal(*(np.array(Image.open(f"{folder}/tiny-sample-s7.png")) for folder in "ab"))


def test_resume_goes_on_with_the_runs_own_settings(musevae: Command, data: Path) -> None:
    given = ["image", "train", "mnist-mlp", "--data", data, "--run", "run"]
    musevae.succeeds(*given, "--seed", 1, *SMALLER)
    assert "already holds a run" in musevae.refuses(*given)
    assert musevae.json(*given, "--resume", "--set", "train.epochs=3")["steps"] == 12


def test_samples_can_be_separate(musevae: Command, model: Path) -> None:
    told = musevae.json("image", "sample", "-m", model, "-n", 2, "--seed", 7, "--separate")
    assert told["files"] == ["out/tiny-sample-s7-000.png", "out/tiny-sample-s7-001.png"]
    assert size(told["files"][0]) == (8, 8)
    assert "exists and 1 more" in musevae.refuses("image", "sample", "-m", model, "-n", 2, "--seed", 7, "--separate")
    musevae.succeeds("image", "sample", "-m", model, "-n", 2, "--seed", 7, "--separate", "--force")


def test_interpolation_of_numbers_and_of_pictures(musevae: Command, model: Path, data: Path) -> None:
    musevae.succeeds("image", "interpolate", 0, 3, "-m", model, "--data", data, "-n", 5, "--seed", 1)
    for number in (0, 3):
        Image.fromarray(bars(4)[0][number]).save(f"{number}.png")
    musevae.succeeds("image", "interpolate", "0.png", "3.png", "-m", model, "-n", 5, "--seed", 2)
    by_number, by_file = (np.array(Image.open(f"out/0-3-interpolated-s{seed}.png")) for seed in (1, 2))
    assert np.array_equal(by_number, by_file)


def test_arithmetic_of_three_images_and_of_an_attribute(musevae: Command, model: Path, data: Path) -> None:
    musevae.succeeds("image", "arithmetic", 0, 1, 2, "-m", model, "--data", data, "--seed", 1)
    assert size("out/0-1-2-arithmetic-s1.png") == (4 * 8 + 3 * 2, 8)
    train = write_mnist(Path("more"), labels=False)
    pixels = bars(16)[0]
    pixels[::2, :, :4] = 255
    write_idx(train / "t10k-images-idx3-ubyte", pixels)
    given = ["image", "arithmetic", "--attribute", "width", "-n", 3, "-m", model]
    told = musevae.json(*given, "--data", train, "--seed", 1)
    assert told["files"] == ["out/tiny-width-arithmetic-s1.png"]
    assert size(told["files"][0]) == (5 * 8 + 4 * 2, 3 * 8 + 2 * 2)


@pytest.mark.parametrize(
    ("arguments", "complaint", "status"),
    [
        (
            ["interpolate", "0", "99", "--data", "bars"],
            "99 is no number of an image",
            2,
        ),
        (["interpolate", "no.png", "other.png"], "no.png: there is no such file", 1),
        (["arithmetic", "0", "1"], "Give three images X A B, or --attribute NAME and --data FOLDER", 2),
        (["arithmetic", "--attribute", "smile", "--data", "bars"], "smile is no attribute of these images", 1),
        (["sample", "--label", "3"], "this model is not conditional: give it no labels", 1),
        (["interpolate", "0", "3"], "0 is no picture file; of images by number, --data says where they are", 2),
    ],
)
def test_mistakes_are_told_in_one_line(
    musevae: Command, model: Path, data: Path, arguments: list[str], complaint: str, status: int
) -> None:
    assert complaint in musevae.refuses("image", *arguments, "-m", model, status=status)


def test_presets_and_models_of_music_and_of_images_are_not_confused(
    musevae: Command, vae: MusicVAE, model: Path, data: Path
) -> None:
    save_model(Path("music"), vae)
    assert "a preset of images: use `musevae image`" in musevae.refuses(
        "train", "mnist-mlp", "--data", data, "--run", "run"
    )
    assert "a preset of music" in musevae.refuses("image", "train", "melody-2bar", "--data", data, "--run", "run")
    assert "did you mean mnist-mlp?" in musevae.refuses("image", "train", "mnst-mlp", "--data", data, "--run", "run")
    assert "a model of images: use `musevae image`" in musevae.refuses("sample", "-m", model)
    assert "a model of music" in musevae.refuses("image", "sample", "-m", "music")


def test_evaluation_refuses_what_has_no_answer(musevae: Command, data: Path, model: Path) -> None:
    torch.manual_seed(0)
    plain = ImageVAE.from_preset("mnist-ae", sizes=(16,))
    save_model(Path("plain"), plain)
    assert "no bound of log p(x)" in musevae.refuses("image", "evaluate", "plain", "--data", data, "--iwae", 5)
    musevae.succeeds("image", "train", "mnist-ae", "--data", data, "--run", "ae", *SMALLER)
    figures = musevae.json("image", "evaluate", "ae", "--data", data)
    assert (figures["nelbo_nats"], figures["bits_per_dim"]) == (None, None)
    assert figures["reconstruction_nats"] > 0
    assert "no folder" in musevae.refuses("image", "evaluate", model, "--data", "nowhere")
