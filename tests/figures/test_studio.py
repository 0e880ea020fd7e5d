from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from musevae.figures.studio import DRAWN, Studio, drawn_images
from musevae.training.evaluate_images import evaluate_images
from tests.figures.drawn_bars import image_sets, studio_of, tiny_model


@contextmanager
def stopped(second_kills: bool) -> Iterator[Event]:
    """A request to stop that is there from the start."""
    stop = Event()
    stop.set()
    yield stop


def test_images_drawn_from_a_model_are_its_samples() -> None:
    model = tiny_model()
    sets = drawn_images(model, seed=5)
    assert {split: len(images) for split, images in sets.items()} == DRAWN
    together = np.concatenate([images.pixels for images in sets.values()])
    assert np.array_equal(together, model.sample(sum(DRAWN.values()), seed=5))
    assert sets["train"].labels is None


def test_images_drawn_from_a_conditional_model_have_the_labels_that_it_was_told() -> None:
    model = tiny_model(labels=3)
    sets = drawn_images(model, seed=5)
    labels = np.concatenate([images.labels for images in sets.values() if images.labels is not None])
    assert np.array_equal(np.bincount(labels), [1000] * 3)
    assert np.array_equal(sets["train"].pixels[:9], model.sample(3000, seed=5)[:9])


def test_small_model_is_trained_once(studio: Studio) -> None:
    model = studio.autoencoder
    written = (studio.folder / "autoencoder" / "model.safetensors").stat().st_mtime_ns
    again = studio.trained("autoencoder", model.config.model)
    assert (studio.folder / "autoencoder" / "model.safetensors").stat().st_mtime_ns == written
    assert not again.config.model.noise
    assert again.config.provenance["steps"] == 50  # batches of a small set


def test_conditional_model_is_set_beside_one_without_labels(tmp_path: Path) -> None:
    studio = studio_of(tiny_model(labels=3), image_sets(), tmp_path)
    assert studio.vae.config.model.labels == 0
    assert studio.vae.config.model.sizes == studio.model.config.model.sizes


def test_draw_is_set_beside_a_vae_of_one_hidden_layer(tmp_path: Path) -> None:
    studio = studio_of(tiny_model(network="draw", hidden_size=8, glimpses=2), image_sets(), tmp_path)
    assert studio.architecture.network == "mlp"
    assert studio.vae is studio.model


def test_held_images_are_of_the_test_split_or_of_what_there_is(tmp_path: Path) -> None:
    sets = image_sets()
    none = sets["test"].select(slice(0, 0))
    for held in (sets, {**sets, "test": none}, {**sets, "validation": none, "test": none}):
        studio = studio_of(tiny_model(), held, tmp_path)
        source = next(held[split] for split in ("test", "validation", "train") if len(held[split]))
        assert sorted(map(bytes, studio.held.pixels)) == sorted(map(bytes, source.pixels))


def test_worth_is_what_evaluation_says(studio: Studio) -> None:
    assert studio.worth(studio.model) == evaluate_images(studio.model.vae, {"test": studio.held}, seed=studio.seed)


def test_posterior_has_a_draw_for_each_held_image(studio: Studio) -> None:
    posterior, z = studio.posterior(studio.model)
    assert z.shape == posterior.mu.shape == (len(studio.held), 4)
    eps = (torch.from_numpy(z) - posterior.mu) / posterior.sigma
    assert float(eps.std()) == pytest.approx(1, abs=0.15)


def test_interrupted_training_interrupts_the_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("musevae.training.trainer.stop_requested", stopped)
    with pytest.raises(KeyboardInterrupt):
        studio_of(tiny_model(), image_sets(), tmp_path).autoencoder  # noqa: B018 - trained when asked for
