"""Training and measuring an image model on arrays, without a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from musevae.checkpoint import load_config, read_tensors
from musevae.config import Config, ImageConfig, ImageModelConfig, ImagesConfig, ImageTrainConfig
from musevae.images.image_set import ImageDataError, ImageSet
from musevae.images.reading import read_images
from musevae.training.evaluate_images import evaluate_images
from musevae.training.run import train
from musevae.vaes import ImageVAE, load_model
from tests.images.idx_files import write_idx

TINY_IMAGES = ImageConfig(
    preset="tiny-images",
    images=ImagesConfig(height=4, width=4),
    model=ImageModelConfig(z_size=2, sizes=(8,)),
    train=ImageTrainConfig(epochs=2, batch_size=4),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An idx file of 40 images of noise."""
    (tmp_path / "noise").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    write_idx(tmp_path / "noise" / "noise-images-idx3-ubyte", noise)
    return tmp_path / "noise"


def test_images_at_hand_train_as_those_of_a_folder_do(folder: Path, tmp_path: Path) -> None:
    at_hand = read_images(folder, channels=1, height=4, width=4)
    train(TINY_IMAGES, folder, tmp_path / "folder", seed=1)
    train(TINY_IMAGES, at_hand, tmp_path / "hand", seed=1)
    weights = [read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("folder", "hand")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert load_config(tmp_path / "folder").provenance["data"] == ["noise"]
    assert "data" not in load_config(tmp_path / "hand").provenance

    vae = load_model(tmp_path / "hand")
    assert isinstance(vae, ImageVAE)
    assert evaluate_images(vae, at_hand) == evaluate_images(vae, str(folder))


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    sets = {split: ImageSet(np.zeros((8, 1, 4, 5), np.uint8)) for split in ("train", "validation", "test")}
    with pytest.raises(ImageDataError, match=r"train has images of the shape \(1, 4, 5\); tiny-images is for"):
        train(TINY_IMAGES, sets, tmp_path / "run")


def test_music_is_not_trained_on_images_at_hand(tiny: Config, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tiny is trained on a folder"):
        train(tiny, {"train": ImageSet(np.zeros((8, 1, 4, 4), np.uint8))}, tmp_path / "run")


def test_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageDataError, match="has no split validation, only train"):
        train(TINY_IMAGES, {"train": ImageSet(np.zeros((8, 1, 4, 4), np.uint8))}, tmp_path / "run")
