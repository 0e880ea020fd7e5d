from __future__ import annotations

import json
from typing import Any

import pytest

from musevae.config import ConfigError, RepresentationConfig, from_dict
from musevae.music.melody import MelodyRepresentation
from musevae.presets import PRESETS, preset, representation

MAGENTA = {  # MUSICVAE.md 1.1: steps, z, encoder, decoder, free bits, beta, beta rate, sampling
    "cat-mel_2bar_small": (32, 256, (512,), (256, 256), 0, 0.2, 0.99999, "inverse_sigmoid"),
    "cat-mel_2bar_big": (32, 512, (2048,), (2048, 2048, 2048), 0, 0.5, 0.99999, "inverse_sigmoid"),
    "flat-mel_16bar": (256, 512, (2048, 2048), (2048, 2048, 2048), 256, 0.2, 0.0, "teacher_forcing"),
    "hierdec-mel_16bar": (256, 512, (2048, 2048), (1024, 1024), 256, 0.2, 0.0, "teacher_forcing"),
    "hier-mel_16bar": (256, 512, (1024,), (1024, 1024), 256, 0.2, 0.0, "teacher_forcing"),
}
KINDS = {  # encoder, decoder, segments
    "hierdec-mel_16bar": ("bidirectional", "hierarchical", 16),
    "hier-mel_16bar": ("hierarchical", "hierarchical", 16),
}


@pytest.mark.parametrize("name", MAGENTA)
def test_magentas_presets_are_magentas_configs(name: str) -> None:
    config = preset(name)
    model, train = config.model, config.train
    assert MAGENTA[name] == (
        *(representation(config.representation).steps, model.z_size, model.encoder_sizes, model.decoder_sizes),
        *(train.free_bits, train.beta, train.beta_rate, train.sampling),
    )
    assert (model.encoder, model.decoder, model.segments) == KINDS.get(name, ("bidirectional", "flat", None))


@pytest.mark.parametrize("name", MAGENTA)
def test_magentas_presets_have_what_all_its_melody_configs_share(name: str) -> None:
    train = preset(name).train
    assert (train.batch_size, train.steps, train.transpose, train.sampling_rate) == (512, 200_000, 5, 1000)
    assert (train.learning_rate, train.learning_rate_decay, train.min_learning_rate) == (1e-3, 0.9999, 1e-5)
    assert (train.learning_rate_schedule, train.warmup_steps, train.clip_norm, train.skip_norm) == (
        "exponential",
        0,
        1,
        1e4,
    )
    assert representation(preset(name).representation).classes == 90


@pytest.mark.parametrize("name", PRESETS)
def test_preset_carries_its_name_a_line_about_it_and_survives_json(name: str) -> None:
    config = preset(name)
    assert config.preset == name
    assert config.about
    assert from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(("name", "bars"), [("melody-2bar", 2), ("melody-16bar", 16)])
def test_our_presets_read_melodies_of_90_classes(name: str, bars: int) -> None:
    events = representation(preset(name).representation)
    assert (events.bars, events.steps, events.classes, events.min_pitch) == (bars, 16 * bars, 90, 21)


def test_settings_change_a_preset_and_leave_the_table() -> None:
    assert preset("melody-2bar", ["model.z_size=3"]).model.z_size == 3
    assert preset("melody-2bar").model.z_size != 3


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("melody-2bars", r"melody-2bars is unknown: did you mean melody-2bar\?"),
        ("xyz", "xyz is unknown: known: melody-2bar, "),
    ],
)
def test_unknown_preset_is_refused_and_the_nearest_named(name: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        preset(name)


def test_representation_has_every_parameter_of_its_config() -> None:
    config = RepresentationConfig("melody", 3, 8, (6, 8), 30, 90, 0.5)
    assert representation(config) == MelodyRepresentation(3, 8, (6, 8), 30, 90, 0.5)


@pytest.mark.parametrize(
    ("changes", "problem"), [({"name": "melodie"}, "did you mean"), ({"bars": 0}, "bars cannot be 0")]
)
def test_impossible_representation_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        representation(RepresentationConfig(**changes))
