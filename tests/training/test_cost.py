from __future__ import annotations

from dataclasses import replace

import pytest

from musevae.config import Config
from musevae.presets import PRESETS, preset
from musevae.training.cost import cost
from musevae.vaes import MusicVAE

LAYERS = {  # name -> times applied, multiplications: the tiny model has 8 steps, 14 classes, 8 cells, z of 4
    "encoder.layers.0": (8, 2 * 4 * 8 * (14 + 8)),
    "head.mu": (1, 16 * 4),
    "head.sigma": (1, 16 * 4),
    "decoder.stack.layers.0": (8, 4 * 8 * (14 + 4 + 8)),
    "decoder.stack.initial_state": (1, 4 * 16),
    "decoder.projection": (8, 8 * 14),
}


def test_flops_are_two_for_each_multiplication_of_each_step(tiny: Config) -> None:
    found = cost(tiny)
    assert {layer.name: (layer.applied, layer.flops) for layer in found.layers} == {
        name: (times, 2 * times * products) for name, (times, products) in LAYERS.items()
    }
    forward = sum(2 * times * products for times, products in LAYERS.values())
    assert found.flops == {"forward": forward, "backward": 2 * forward}


@pytest.mark.parametrize("name", PRESETS)
def test_layers_have_all_the_parameters(name: str) -> None:
    found = cost(preset(name))
    assert found.parameters == sum(layer.parameters for layer in found.layers)
    assert found.weights >= found.parameters
    assert all(layer.flops > 0 for layer in found.layers)


@pytest.mark.parametrize("name", ["melody-2bar", "nade-drums_2bar_full", "hierdec-trio_16bar"])
def test_parameters_are_the_models(name: str) -> None:
    from torch import device

    with device("meta"):
        assert cost(preset(name)).parameters == MusicVAE.from_preset(name).num_parameters


def test_a_hierarchical_models_layers_run_through_segments_and_steps(tiny: Config) -> None:
    model = replace(tiny.model, encoder="hierarchical", decoder="hierarchical", segments=4, conductor_sizes=(6,))
    applied = {layer.name: layer.applied for layer in cost(replace(tiny, model=model)).layers}
    assert applied == {
        "encoder.levels.0.layers.0": 8,
        "encoder.levels.1.layers.0": 4,
        **{"head.mu": 1, "head.sigma": 1},
        "decoder.conductor.layers.0": 4,
        "decoder.conductor.initial_state": 1,
        "decoder.core.stack.layers.0": 8,
        "decoder.core.stack.initial_state": 4,
        "decoder.core.projection": 8,
    }


def test_a_gpu_keeps_activations_and_copies_of_the_weights_in_16_bits() -> None:
    """So Magenta's largest model trains in 24 GB with its batch of 256."""
    found = cost(preset("hierdec-trio_16bar"))
    memory = found.memory_bytes
    kept = memory["total"] - memory["activations"]
    assert found.gpu_memory_bytes == kept + memory["activations"] // 2 + memory["weights"] // 2
    assert found.batch_size == 256
    assert 18e9 < found.gpu_memory_bytes < 24e9


def test_memory_grows_with_the_batch_by_activations_alone(tiny: Config) -> None:
    small = cost(tiny).memory_bytes
    large = cost(replace(tiny, train=replace(tiny.train, batch_size=8))).memory_bytes
    assert small["adam"] == 2 * small["gradients"] == 2 * 4 * cost(tiny).parameters
    assert large == {**small, "activations": 2 * small["activations"], "total": large["total"]}
    assert large["total"] - small["total"] == small["activations"]
