from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musevae.config import Config, ConfigError, MelodyConfig, ModelConfig, TrainConfig
from musevae.config.reading import from_dict, override
from musevae.presets import IMAGE_PRESETS

CONFIG = Config(
    "tune-maker",
    about="a config with nothing left at its default",
    representation=MelodyConfig(bars=3, time_signature=(6, 8), min_pitch=30),
    model=ModelConfig(z_size=7, encoder_sizes=(3, 4), conductor_sizes=(5,), segments=2, decoder="hierarchical"),
    train=TrainConfig(steps=9, learning_rate=0.5, sampling="inverse_sigmoid"),
    provenance={"data": ["a.zip"], "steps": 9},
)

sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)


def as_json(config: Config, **changes: object) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(config.to_dict())) | changes
    return content


def test_config_is_read_from_the_json_it_writes() -> None:
    assert from_dict(as_json(CONFIG)) == CONFIG


@given(st.builds(ModelConfig, z_size=st.integers(1, 99), encoder_sizes=sizes, conductor_sizes=st.none() | sizes))
def test_any_model_is_read_from_the_json_it_writes(model: ModelConfig) -> None:
    assert from_dict(as_json(Config("any", model=model))).model == model


def test_keys_that_are_missing_have_their_defaults() -> None:
    assert from_dict({"format_version": 1, "preset": "short", "model": {"z_size": 3}}).model == ModelConfig(z_size=3)


def test_whole_number_is_read_as_a_number_where_one_is_wanted() -> None:
    train = from_dict(as_json(CONFIG, train={"beta": 1})).train
    assert (train.beta, type(train.beta)) == (1.0, float)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "format version None; this musevae reads 1: update musevae"),
        (as_json(CONFIG, format_version=2), "format version 2; this musevae reads 1: update musevae"),
        (as_json(CONFIG, colour="red"), "colour is unknown: known: preset, about"),
        (as_json(CONFIG, modle={}), r"modle is unknown: did you mean model\?"),
        (as_json(CONFIG, model={"zsize": 3}), r"model\.zsize is unknown: did you mean model\.z_size\?"),
        (as_json(CONFIG, model={"z_size": "3"}), r"model\.z_size cannot be '3': it must be a whole number"),
        (as_json(CONFIG, model={"z_size": 3.0}), r"model\.z_size cannot be 3\.0: it must be a whole number"),
        (as_json(CONFIG, model={"z_size": True}), r"model\.z_size cannot be True: it must be a whole number"),
        (as_json(CONFIG, model={"z_size": None}), r"model\.z_size cannot be None"),
        (as_json(CONFIG, model={"z_size": 0}), "z_size cannot be 0: it must lie in 1"),
        (as_json(CONFIG, model={"segments": 0}), "segments cannot be 0"),
        (as_json(CONFIG, model={"encoder_sizes": 3}), r"model\.encoder_sizes cannot be 3: it must be numbers joined"),
        (as_json(CONFIG, model={"encoder_sizes": ["a"]}), r"model\.encoder_sizes cannot be 'a'"),
        (as_json(CONFIG, model={"encoder_sizes": []}), r"encoder_sizes cannot be \(\)"),
        (as_json(CONFIG, model=[1]), r"model must be an object, not \[1\]"),
        (as_json(CONFIG, train={"beta": "much"}), r"train\.beta cannot be 'much': it must be a number"),
        (as_json(CONFIG, preset=3), "preset cannot be 3: it must be a word"),
        (as_json(CONFIG, provenance="mine"), "provenance cannot be 'mine'"),
        ({"format_version": 1}, r"config\.json is incomplete.*preset"),
    ],
)
def test_wrong_content_is_refused_and_named(content: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        from_dict(content)


@pytest.mark.parametrize(
    ("setting", "section", "expected"),
    [
        ("model.z_size=128", "model", {"z_size": 128}),
        (" model.z_size = 128 ", "model", {"z_size": 128}),
        ("model.encoder_sizes=512,256", "model", {"encoder_sizes": (512, 256)}),
        ("model.encoder_sizes=(512,)", "model", {"encoder_sizes": (512,)}),
        ("model.conductor_sizes=none", "model", {"conductor_sizes": None}),
        ("model.conductor_sizes=6", "model", {"conductor_sizes": (6,)}),
        ("model.segments=None", "model", {"segments": None}),
        ("train.beta=1e-2", "train", {"beta": 0.01}),
        ("train.learning_rate_schedule=cosine", "train", {"learning_rate_schedule": "cosine"}),
        ("representation.time_signature=3/4", "representation", {"time_signature": (3, 4)}),
    ],
)
def test_setting_changes_one_field(setting: str, section: str, expected: dict[str, object]) -> None:
    changed = override(CONFIG, [setting])
    assert vars(getattr(changed, section)) == vars(getattr(CONFIG, section)) | expected
    assert vars(changed) | {section: None} == vars(CONFIG) | {section: None}


def test_later_settings_win() -> None:
    assert override(CONFIG, ["train.steps=1", "model.z_size=2", "train.steps=3"]).train.steps == 3


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("model.z_size", r"'model\.z_size' is not section\.key=value"),
        ("z_size=3", r"'z_size=3' is not section\.key=value"),
        ("", "is not section"),
        ("modl.z_size=3", r"modl is unknown: did you mean model\?"),
        ("preset.x=3", "preset is unknown: "),
        ("model.z_sise=3", r"model\.z_sise is unknown: did you mean model\.z_size\?"),
        ("model.z_size=three", r"model\.z_size cannot be 'three': it must be a whole number"),
        ("model.z_size=3.5", r"model\.z_size cannot be '3\.5'"),
        ("model.z_size=none", r"model\.z_size cannot be 'none'"),
        ("model.segments=x", "it must be a whole number or none"),
        ("train.beta=", r"train\.beta cannot be ''"),
        ("train.log_every=0", "log_every cannot be 0: it must lie in 1"),
        ("train.validate_every=-1", "validate_every cannot be -1"),
        ("train.learning_rate=nan", "learning_rate cannot be nan"),
        ("train.transpose=-2", "transpose cannot be -2: it must lie in 0"),
        ("model.decoder_sizes=8,0", r"decoder_sizes cannot be \(8, 0\)"),
    ],
)
def test_wrong_setting_is_refused_and_named(setting: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        override(CONFIG, [setting])


def test_settings_count_together_whatever_their_order() -> None:
    """Each by itself would contradict the others of the preset."""
    settings = ["train.samples=5", "train.beta=1", "train.mmd=0"]
    changed = [override(IMAGE_PRESETS["mnist-mmd"], order) for order in permutations(settings)]
    assert all(config == changed[0] for config in changed)
    assert (changed[0].train.samples, changed[0].train.mmd) == (5, 0)


def test_plain_autoencoder_takes_no_draws_and_images_are_grey_or_in_colour() -> None:
    with pytest.raises(ConfigError, match="a plain autoencoder draws no z"):
        override(IMAGE_PRESETS["mnist-ae"], ["train.samples=5"])
    with pytest.raises(ConfigError, match="channels is 4: images are grey, 1, or in colour, 3"):
        override(IMAGE_PRESETS["celeba-conv"], ["images.channels=4"])


def test_config_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        CONFIG.preset = "other"  # type: ignore[misc]
