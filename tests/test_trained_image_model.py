from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import musevae
from musevae import pretrained
from musevae.checkpoint import CheckpointError
from musevae.config import ConfigError
from musevae.trained_image_model import TrainedImageModel
from musevae.trained_model import TrainedModel
from musevae.vaes import Draw, ImageVAE, MusicVAE, save_model
from tests.training.image_data import TINY, bars

PIXELS = bars(12)[0][:, None]


def made(**model: object) -> TrainedImageModel:
    torch.manual_seed(0)
    return TrainedImageModel(ImageVAE(replace(TINY, model=replace(TINY.model, **model))).eval(), "tiny")


def test_sample_depends_on_its_seed_alone() -> None:
    model = made()
    one, same, other = (model.sample(3, seed=seed) for seed in (1, 1, 2))
    assert one.shape == (3, 1, 8, 8)
    assert one.dtype == np.uint8
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_temperature_is_the_standard_deviation_of_z() -> None:
    model = made()
    assert np.array_equal(model.sample(3, seed=1, temperature=0.5), model.decode(0.5 * model.prior(3, seed=1)))
    coldest = model.sample(3, seed=1, temperature=0.0)
    assert (coldest == coldest[0]).all()
    with pytest.raises(ValueError, match="temperature is -1"):
        model.sample(temperature=-1.0)


def test_conditional_samples_have_each_label_in_turn_or_the_one_asked_for() -> None:
    model = made(labels=2)
    in_turn = model.sample(4, seed=1)
    assert np.array_equal(in_turn, model.sample(4, seed=1, labels=[0, 1, 0, 1]))
    assert not np.array_equal(in_turn, model.sample(4, seed=1, labels=[1, 1, 1, 1]))


def test_encoding_is_the_posterior_mean_of_the_greys() -> None:
    model = made()
    expected = model.vae.posterior(torch.from_numpy(PIXELS) / 255).mu
    assert model.encode(PIXELS) == pytest.approx(expected.detach().numpy(), abs=1e-6)
    assert np.array_equal(model.reconstruct(PIXELS), model.decode(model.encode(PIXELS)))


@pytest.mark.parametrize("straight", [False, True])
def test_interpolation_includes_its_ends(straight: bool) -> None:
    model = made()
    between = model.interpolate(PIXELS[0], PIXELS[3], 5, straight=straight)
    assert np.array_equal(between[[0, -1]], model.reconstruct(PIXELS[[0, 3]]))
    assert len(between) == 5


def test_arithmetic_adds_the_difference() -> None:
    model = made()
    x, a, b = PIXELS[:3]
    result = model.arithmetic(x, a, a)
    assert np.array_equal(result[:3], np.stack([x, a, a]))
    assert np.abs(result[3].astype(int) - model.reconstruct(x[None])[0]).max() <= 1
    assert not np.array_equal(model.arithmetic(x, a, b)[3], result[3])


def test_attribute_strip_has_the_image_itself_in_the_middle() -> None:
    model, has = made(), np.arange(12) % 2 == 0
    strips = model.attribute_strips(PIXELS, has, 2, (-1.0, 0.0, 1.0)).reshape(2, 3, 1, 8, 8)
    assert np.array_equal(strips[:, 1], model.reconstruct(PIXELS[:2]))
    with pytest.raises(ValueError, match="of 12 examples 12 have the attribute"):
        model.attribute_strips(PIXELS, np.ones(12, bool), 2, (1.0,))


def test_wrong_shapes_and_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the shape is \(2, 8, 8\); expected \(N, 1, 8, 8\)"):
        made().encode(PIXELS[:2, 0])
    with pytest.raises(ValueError, match=r"of shape \(N, 3\)"):
        made().decode(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"labels reach 0\.\.4; this model's are 0\.\.3"):
        made(labels=4).decode(np.zeros((2, 3)), labels=[0, 4])
    with pytest.raises(ValueError, match="at least 1"):
        made().sample(0)


def test_preset_gives_the_kind_of_model_that_it_is() -> None:
    """ImageVAE took DRAW's settings for those of a convolution."""
    assert Draw.from_preset("mnist-draw", hidden_size=8).glimpses == 10
    with pytest.raises(ConfigError, match="mnist-draw is a Draw, not a ImageVAE"):
        ImageVAE.from_preset("mnist-draw", hidden_size=8)


def test_conditional_verbs_take_a_label() -> None:
    model, has = made(labels=2), np.arange(12) % 2 == 0
    assert model.interpolate(PIXELS[0], PIXELS[1], 3, label=1).shape == (3, 1, 8, 8)
    assert model.arithmetic(*PIXELS[:3], label=1).shape == (4, 1, 8, 8)
    strips = model.attribute_strips(PIXELS, has, 2, (0.0, 1.0), labels=has.astype(np.int64))
    assert np.array_equal(strips[::2], model.reconstruct(PIXELS[:2], labels=has[:2].astype(np.int64)))


def test_greys_from_0_to_1_are_no_pixels() -> None:
    with pytest.raises(ValueError, match="images are float64; expected uint8"):
        made().encode(PIXELS / 255)


def test_folder_is_loaded_as_what_it_is(tmp_path: Path, vae: MusicVAE) -> None:
    made().save(tmp_path / "images")
    save_model(tmp_path / "music", vae)
    assert isinstance(musevae.load(tmp_path / "images"), TrainedImageModel)
    assert isinstance(musevae.load(tmp_path / "music"), TrainedModel)
    with pytest.raises(CheckpointError, match="images is a model of images: use `musevae image`"):
        pretrained.load_music(tmp_path / "images")
    with pytest.raises(CheckpointError, match="music is a model of music: use `musevae` without `image`"):
        pretrained.load_images(tmp_path / "music")


def test_weights_survive_the_folder(tmp_path: Path) -> None:
    model = made()
    model.save(tmp_path / "kept")
    assert np.array_equal(pretrained.load_images(tmp_path / "kept").sample(2, seed=1), model.sample(2, seed=1))
    with pytest.raises(CheckpointError, match="holds a ImageVAE, not a MusicVAE"):
        MusicVAE.from_pretrained(tmp_path / "kept")
