"""Magenta's configs are told by names and shapes of variables alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from musevae.magenta.architecture import recognise
from musevae.magenta.errors import MagentaError
from musevae.models.decoders import LstmDecoder, SplitDecoder
from musevae.models.hierarchical import HierarchicalLstmDecoder
from musevae.models.nade import Nade
from musevae.presets import preset
from musevae.presets.magenta import MAGENTA
from musevae.vaes import MusicVAE

NAMES = [config.preset for config in MAGENTA]
ALIKE = [name for name in NAMES if name.startswith("groovae") and "control" not in name]
Variables = dict[str, NDArray[np.float32]]


def array(*shape: int) -> NDArray[np.float32]:
    """Zeros of any size that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def linear(name: str, layer: torch.nn.Linear) -> Variables:
    return {f"{name}/kernel": array(layer.in_features, layer.out_features), f"{name}/bias": array(layer.out_features)}


def cell(name: str, layer: torch.nn.LSTM) -> Variables:
    rows, columns = layer.input_size + layer.hidden_size, 4 * layer.hidden_size
    return {f"{name}/lstm_cell/kernel": array(rows, columns), f"{name}/lstm_cell/bias": array(columns)}


def decoder(name: str, part: LstmDecoder) -> Variables:
    variables = linear(f"{name}/z_to_initial_state", part.stack.initial_state)
    variables |= linear(f"{name}/output_projection", part.projection)
    for k, layer in enumerate(part.stack.layers):
        variables |= cell(f"{name}/multi_rnn_cell/cell_{k}", layer)
    if isinstance(part.output, Nade):
        bits, hidden = part.output.w_enc.shape
        variables |= {f"{name}/nade/w_enc": array(bits, 1, hidden), f"{name}/nade/w_dec_t": array(bits, hidden, 1)}
    return variables


def variables_of(vae: MusicVAE) -> Variables:
    """Magenta's variables for a model of ours, by Magenta's names."""
    assert vae.encoder is not None
    assert vae.head is not None
    variables = linear("encoder/mu", vae.head.mu) | linear("encoder/sigma", vae.head.sigma)
    levels = list(getattr(vae.encoder, "levels", [vae.encoder]))
    for index, level in enumerate(levels):
        prefix = "encoder" if len(levels) == 1 else f"encoder/hierarchical_level_{index}"
        for k, layer in enumerate(level.layers):
            for way in ("fw", "bw"):
                variables |= cell(f"{prefix}/cell_{k}/bidirectional_rnn/{way}/multi_rnn_cell/cell_0", layer)
    if not isinstance(vae.decoder, HierarchicalLstmDecoder):
        return variables | decoder("decoder", vae.decoder)
    for k, layer in enumerate(vae.decoder.conductor.layers):
        variables |= cell(f"decoder/hierarchical_level_0/cell_{k}", layer)
    variables |= linear("decoder/hierarchical_level_0/initial_state", vae.decoder.conductor.initial_state)
    core = vae.decoder.core
    if isinstance(core, LstmDecoder):
        return variables | decoder("core_decoder/decoder", core)
    assert isinstance(core, SplitDecoder)
    for k, part in enumerate(core.parts):
        variables |= decoder(f"core_decoder/core_decoder_{k}/decoder", part)
    return variables


def variables(name: str, **sizes: object) -> Variables:
    with torch.device("meta"):
        return variables_of(MusicVAE.from_preset(name, **sizes))


@pytest.mark.parametrize("name", NAMES)
def test_every_config_is_recognised_from_its_variables(name: str) -> None:
    assert recognise(variables(name), hint=name if name in ALIKE else "") == preset(name)


@pytest.mark.parametrize("name", NAMES)
def test_config_named_is_the_one_taken(name: str) -> None:
    assert recognise(variables(name), name) == preset(name)


def test_configs_that_look_alike_must_be_told_apart() -> None:
    with pytest.raises(MagentaError, match=r"of groovae_4bar, groovae_2bar_humanize, .* alike: say which by --config"):
        recognise(variables("groovae_4bar"))


@pytest.mark.parametrize("name", ALIKE)
def test_name_of_the_checkpoint_tells_configs_apart(name: str) -> None:
    assert recognise(variables("groovae_4bar"), hint=f"/models/{name}.tar").preset == name


def test_sizes_are_the_checkpoints_own() -> None:
    sizes = {"z_size": 8, "encoder_sizes": (16,), "decoder_sizes": (20, 24), "conductor_sizes": (12, 14)}
    config = recognise(variables("hier-mel_16bar", **sizes))
    assert config.preset == "hier-mel_16bar"
    assert {key: getattr(config.model, key) for key in sizes} == sizes


@pytest.mark.parametrize("missing", ["encoder/mu/kernel", "encoder/cell_0/bidirectional_rnn/bw"])
def test_checkpoint_without_part_of_its_encoder_decodes_only(missing: str) -> None:
    held = {name: value for name, value in variables("cat-mel_2bar_small").items() if not name.startswith(missing)}
    config = recognise(held)
    assert (config.preset, config.model.encoder) == ("cat-mel_2bar_small", "none")


def test_config_that_does_not_fit_is_refused_and_those_that_do_are_named() -> None:
    with pytest.raises(MagentaError, match="not those of hierdec-mel_16bar; they fit cat-mel_2bar_small, "):
        recognise(variables("cat-mel_2bar_small"), "hierdec-mel_16bar")


def test_unknown_config_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(ValueError, match="did you mean cat-mel_2bar_small"):
        recognise(variables("cat-mel_2bar_small"), "cat-mel_2bar_smal")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"decoder/output_projection/bias": array(91)}, r"outputs of \(91,\) classes are of none"),
        ({"decoder/output_projection/bias": array(90, 1)}, "has 1 dimensions"),
        ({"decoder/output_projection/bias": array(0)}, "output_projection/bias has the shape"),
        ({"decoder/multi_rnn_cell/cell_0/lstm_cell/kernel": array(7)}, "has 2 dimensions"),
        ({"decoder/multi_rnn_cell/cell_0/lstm_cell/kernel": array(7, 8)}, "has 595 inputs too few"),
        ({"decoder/multi_rnn_cell/cell_0/lstm_cell/bias": array()}, "has 1 dimensions"),
        ({"decoder/nade/w_enc": array(9, 128)}, "has 3 dimensions"),
    ],
)
def test_shapes_of_no_music_vae_are_refused(changes: Variables, problem: str) -> None:
    with pytest.raises(MagentaError, match=problem):
        recognise(variables("cat-mel_2bar_small") | changes)


@pytest.mark.parametrize("held", [{}, {"weights": array(3)}])
def test_other_checkpoints_are_refused(held: Variables) -> None:
    with pytest.raises(MagentaError, match="it is no MusicVAE"):
        recognise(held)
