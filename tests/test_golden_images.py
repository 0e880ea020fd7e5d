"""The bundled image model end to end."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from musevae import pretrained
from musevae.trained_image_model import TrainedImageModel

MODEL = "mnist-mlp"
FOLDER = pretrained.BUNDLED / MODEL
MOST_BYTES = 2_000_000

pytestmark = pytest.mark.skipif(not (FOLDER / "model.safetensors").exists(), reason=f"{MODEL} is not bundled")


@pytest.fixture(scope="module")
def bundled() -> TrainedImageModel:
    return pretrained.load_images(MODEL)


def drawn() -> NDArray[np.uint8]:
    """A one and a nought as people write them, (2, 1, 28, 28)."""
    rows, columns = np.mgrid[:28, :28]
    one = (abs(columns - 14 + (rows - 14) / 6) < 1.6) & (abs(rows - 14) < 10)
    radius = np.hypot((rows - 14) / 9, (columns - 14) / 7)
    nought = abs(radius - 0.9) < 0.18
    return (np.stack([one, nought])[:, None] * 255).astype(np.uint8)


def test_digits_that_nobody_trained_on_come_back(bundled: TrainedImageModel) -> None:
    pixels = drawn()
    again = bundled.reconstruct(pixels)
    for image, made in zip(pixels, again, strict=True):
        assert np.corrcoef(image.ravel(), made.ravel())[0, 1] > 0.8


def test_halfway_between_two_digits_there_is_ink_of_both(bundled: TrainedImageModel) -> None:
    one, nought = drawn()
    path = bundled.interpolate(one, nought, 5).astype(int)
    steps = np.abs(np.diff(path, axis=0)).mean((1, 2, 3))
    assert steps.max() < 0.6 * np.abs(path[0] - path[-1]).mean() + 10


def test_samples_are_strokes_on_black_and_no_two_alike(bundled: TrainedImageModel) -> None:
    made = bundled.sample(256, seed=0)
    ink = (made > 127).mean((1, 2, 3))
    assert 0.07 < ink.mean() < 0.16  # of the test split: 0.103
    assert (ink > 0.01).mean() > 0.98
    assert made[:, :, :2].max() < 128  # the border of a digit is black
    assert len(np.unique(made.reshape(256, -1), axis=0)) == 256


def test_config_names_the_data_its_licence_and_the_held_out_figures(bundled: TrainedImageModel) -> None:
    provenance = bundled.config.provenance
    assert "CC-BY-SA-3.0" in provenance["data"]["mnist"]
    assert provenance["test"]["nelbo_nats"] <= 101.5
    assert provenance["test"]["iwae_nats"] <= 97
    assert {"steps", "seed", "weights_licence"} <= provenance.keys()


def test_weights_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES
