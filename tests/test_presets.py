from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from musevae.config import ConfigError, MelodyConfig
from musevae.config.reading import from_dict
from musevae.music.melody import MelodyRepresentation
from musevae.presets import PRESETS, preset, representation, window_steps
from musevae.vaes import MusicVAE

MAGENTA = {  # MUSICVAE.md 1.1: steps, z, encoder, decoder, free bits, beta, beta rate, scheduled sampling, batch
    "cat-mel_2bar_small": (32, 256, (512,), (256, 256), 0, 0.2, 0.99999, True, 512),
    "cat-mel_2bar_big": (32, 512, (2048,), (2048,) * 3, 0, 0.5, 0.99999, True, 512),
    "cat-mel_2bar_med_chords": (32, 256, (1024,), (512,) * 3, 0, 1.0, 0.0, False, 512),
    "cat-drums_2bar_small": (32, 256, (512,), (256, 256), 48, 0.2, 0.0, True, 512),
    "cat-drums_2bar_big": (32, 512, (2048,), (2048,) * 3, 48, 0.2, 0.0, True, 512),
    "nade-drums_2bar_reduced": (32, 256, (1024,), (512, 512), 48, 0.2, 0.0, True, 512),
    "nade-drums_2bar_full": (32, 256, (1024,), (512, 512), 48, 0.2, 0.0, True, 512),
    "flat-trio_16bar": (256, 512, (2048, 2048), (2048,) * 3, 0, 1.0, 0.0, False, 256),
    "hierdec-trio_16bar": (256, 512, (2048, 2048), (1024, 1024), 256, 0.2, 0.0, False, 256),
    "hier-trio_16bar": (256, 512, (1024,), (1024, 1024), 256, 0.2, 0.0, False, 256),
    "flat-mel_16bar": (256, 512, (2048, 2048), (2048,) * 3, 256, 0.2, 0.0, False, 512),
    "hierdec-mel_16bar": (256, 512, (2048, 2048), (1024, 1024), 256, 0.2, 0.0, False, 512),
    "hier-mel_16bar": (256, 512, (1024,), (1024, 1024), 256, 0.2, 0.0, False, 512),
    "hier-multiperf_vel_1bar_med": (512, 512, (1024,), (512,) * 3, 0, 1.0, 0.0, False, 256),
    "hier-multiperf_vel_1bar_big": (512, 512, (2048,), (1024,) * 3, 0, 1.0, 0.0, False, 256),
    "hier-multiperf_vel_1bar_med_chords": (512, 512, (1024,), (512,) * 3, 0, 1.0, 0.0, False, 256),
    "hier-multiperf_vel_1bar_big_chords": (512, 512, (2048,), (1024,) * 3, 0, 1.0, 0.0, False, 256),
    "groovae_4bar": (64, 256, (512,), (256, 256), 48, 0.2, 0.0, False, 512),
    "groovae_2bar_humanize": (32, 256, (512,), (256, 256), 48, 0.2, 0.0, False, 512),
    "groovae_2bar_tap_fixed_velocity": (32, 256, (512,), (256, 256), 48, 0.2, 0.0, False, 512),
    "groovae_2bar_tap_fixed_velocity_note_dropout": (32, 256, (512,), (256, 256), 48, 0.2, 0.0, False, 512),
    "groovae_2bar_add_closed_hh": (32, 256, (512,), (256, 256), 48, 0.2, 0.0, False, 512),
    "groovae_2bar_hits_control_tfds": (32, 256, (512,), (256, 256), 48, 0.2, 0.0, False, 512),
}
TOTALS = {  # MUSICVAE.md 1.8: trainable parameters
    "cat-mel_2bar_small": 4_423_770,
    "cat-drums_2bar_small": 4_636_672,
    "groovae_4bar": 4_085_019,
    "groovae_2bar_hits_control_tfds": 4_131_099,
    "nade-drums_2bar_reduced": 13_819_273,
    "cat-mel_2bar_med_chords": 17_478_234,
    "hier-mel_16bar": 72_547_418,
    "cat-mel_2bar_big": 134_571_098,
    "hierdec-mel_16bar": 176_061_530,
    "hierdec-trio_16bar": 230_975_156,
}
TRANSPOSED = {"cat-mel_2bar_small": 5, "cat-mel_2bar_big": 5, "cat-mel_2bar_med_chords": 3}
TRANSPOSED |= {name: 5 for name in MAGENTA if name.endswith("mel_16bar")}
TRANSPOSED |= {name: 3 for name in MAGENTA if name.startswith("hier-multiperf")}
CONTROLS = {"groovae_2bar_hits_control_tfds": 9} | {name: 49 for name in MAGENTA if name.endswith("_chords")}


def kinds(name: str) -> tuple[str, str, int | None]:
    """Encoder, decoder and segments, as the name of a Magenta config tells them."""
    family = name.partition("-")[0]
    kind = {"hier": ("hierarchical", "hierarchical"), "hierdec": ("bidirectional", "hierarchical")}.get(family)
    return (*kind, 8 if "multiperf" in name else 16) if kind else ("bidirectional", "flat", None)


def test_every_config_of_magentas_is_a_preset() -> None:
    assert {name for name in PRESETS if "_" in name} == MAGENTA.keys()


@pytest.mark.parametrize("name", MAGENTA)
def test_magentas_presets_are_magentas_configs(name: str) -> None:
    config = preset(name)
    model, train = config.model, config.train
    assert MAGENTA[name] == (
        *(window_steps(config.representation), model.z_size, model.encoder_sizes, model.decoder_sizes),
        *(train.free_bits, train.beta, train.beta_rate, train.sampling == "inverse_sigmoid", train.batch_size),
    )
    assert (model.encoder, model.decoder, model.segments) == kinds(name)
    assert train.transpose == TRANSPOSED.get(name, 0)
    assert model.control_size == CONTROLS.get(name, 0)
    assert model.dropout == (0.7 if name.startswith("groovae") else 0.0)


@pytest.mark.parametrize("name", MAGENTA)
def test_magentas_presets_have_what_all_its_configs_share(name: str) -> None:
    train = preset(name).train
    assert (train.steps, train.sampling_rate, train.clip_norm, train.skip_norm) == (200_000, 1000, 1, 1e4)
    assert (train.learning_rate, train.learning_rate_decay, train.min_learning_rate) == (1e-3, 0.9999, 1e-5)
    assert (train.learning_rate_schedule, train.warmup_steps, train.beta_warmup_steps) == ("exponential", 0, 0)


@pytest.mark.parametrize(("name", "total"), TOTALS.items())
def test_parameter_totals_are_magentas(name: str, total: int) -> None:
    with torch.device("meta"):
        assert MusicVAE.from_preset(name).num_parameters == total


@pytest.mark.parametrize("name", PRESETS)
def test_preset_carries_its_name_a_line_about_it_and_survives_json(name: str) -> None:
    config = preset(name)
    assert config.preset == name
    assert config.about
    assert from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(("name", "bars"), [("melody-2bar", 2), ("melody-16bar", 16), ("melody-16bar-parallel", 16)])
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
    config = MelodyConfig("melody", 3, 8, (6, 8), 30, 90, 0.5)
    assert representation(config) == MelodyRepresentation(3, 8, (6, 8), 30, 90, 0.5)


@pytest.mark.parametrize(
    ("changes", "problem"), [({"name": "melodie"}, "did you mean"), ({"bars": 0}, "bars cannot be 0")]
)
def test_impossible_representation_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        representation(MelodyConfig(**changes))
