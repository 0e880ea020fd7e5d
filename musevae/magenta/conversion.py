"""From Magenta's variables to a model: kernels transposed, gates in PyTorch's order, the forget bias added."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musevae.config.reading import override
from musevae.magenta.architecture import CONDUCTOR, ENCODER_LEVEL, FLAT_ENCODER, core_names, encoder_cell, recognise
from musevae.magenta.errors import MagentaError
from musevae.magenta.length import read_length, with_steps
from musevae.magenta.variables import read_variables
from musevae.models.decoders import LstmDecoder, SplitDecoder
from musevae.models.encoders import BidirectionalLstmEncoder, HierarchicalLstmEncoder
from musevae.models.hierarchical import HierarchicalLstmDecoder
from musevae.models.lstm import FORGET_BIAS, LstmStack
from musevae.models.nade import Nade
from musevae.vaes import MusicVAE


def import_magenta(path: str | os.PathLike[str], config: str | None = None, settings: Sequence[str] = ()) -> MusicVAE:
    """The model of a Magenta checkpoint: TensorFlow's, as a .tar or not, magenta.js's or deeplearn.js's.

    `config` is the name of Magenta's config where names and shapes do not tell, `settings` ("representation.bars=4")
    change it where the checkpoint is of none of them. A checkpoint without its encoder gives a model that decodes only.
    Raises MagentaError, ConfigError or OSError.
    """
    path = Path(path)
    variables = read_variables(path)
    try:
        chosen = recognise(variables, config, hint="/".join(path.resolve().parts[-2:]))
        chosen = override(with_steps(chosen, read_length(path)), settings)
        with torch.device("meta"):  # shapes only: memory is taken for what fits them
            vae = MusicVAE(replace(chosen, provenance={"imported_from": path.name}))
        vae.load_state_dict(Conversion(vae, variables).state(), assign=True)
    except MagentaError as error:
        raise MagentaError(f"{path.name}: {error}") from None
    return vae.eval()


class Conversion:
    """Turns variables into the weights of a model, each to be used once; takes them out of the mapping."""

    def __init__(self, vae: MusicVAE, variables: dict[str, NDArray[np.float32]]) -> None:
        self.vae, self.variables = vae, variables
        self.cores = core_names(variables)
        self.names: dict[Tensor, str] = {parameter: name for name, parameter in vae.named_parameters()}
        self.converted: dict[str, Tensor] = {}

    def state(self) -> dict[str, Tensor]:
        """All weights by name; MagentaError where shapes differ, or a variable is missing or has no place."""
        if self.vae.encoder is not None and self.vae.head is not None:
            self._encoder(self.vae.encoder)
            self._linear(self.vae.head.mu, "encoder/mu")
            self._linear(self.vae.head.sigma, "encoder/sigma")
        for part, name in zip(self._parts(), self.cores, strict=True):
            self._decoder(part, name)
        ignored = "encoder/" if self.vae.encoder is None else None
        unused = [name for name in self.variables if ignored is None or not name.startswith(ignored)]
        if unused:
            raise MagentaError(f"{unused[0][:200]!r} has no place in {self.vae.config.preset}")
        unset = {name: p for p, name in self.names.items() if name not in self.converted}  # biases kept at zero
        return self.converted | {name: torch.zeros(p.shape, device="cpu") for name, p in unset.items()}

    def _parts(self) -> Sequence[LstmDecoder]:
        """The decoders that give the logits, after the conductor's weights where they have one."""
        if not isinstance(self.vae.decoder, HierarchicalLstmDecoder):
            return [self.vae.decoder]
        self._stack(self.vae.decoder.conductor, CONDUCTOR, f"{CONDUCTOR}/initial_state")
        core = self.vae.decoder.core
        return core.parts if isinstance(core, SplitDecoder) else [core]

    def _encoder(self, encoder: BidirectionalLstmEncoder | HierarchicalLstmEncoder) -> None:
        if isinstance(encoder, HierarchicalLstmEncoder):
            levels: dict[str, Any] = {ENCODER_LEVEL.format(k): level for k, level in enumerate(encoder.levels)}
        else:
            levels = {FLAT_ENCODER: encoder}
        for name, level in levels.items():
            for k, layer in enumerate(level.layers):
                for direction, way in enumerate(("fw", "bw")):
                    self._lstm(layer, encoder_cell(name, k, way), direction)

    def _decoder(self, decoder: LstmDecoder, name: str) -> None:
        self._stack(decoder.stack, f"{name}/multi_rnn_cell", f"{name}/z_to_initial_state")
        self._linear(decoder.projection, f"{name}/output_projection")
        if isinstance(decoder.output, Nade):
            for weight, variable in ((decoder.output.w_enc, "w_enc"), (decoder.output.w_dec, "w_dec_t")):
                self._put(weight, self._take(f"{name}/nade/{variable}").flatten(1), variable)

    def _stack(self, stack: LstmStack, cells: str, initial_state: str) -> None:
        for k, layer in enumerate(stack.layers):
            self._lstm(layer, f"{cells}/cell_{k}")
        self._linear(stack.initial_state, initial_state)

    def _linear(self, linear: nn.Linear, name: str) -> None:
        self._put(linear.weight, self._take(f"{name}/kernel").T, name)
        self._put(linear.bias, self._take(f"{name}/bias"), name)

    def _lstm(self, layer: nn.LSTM, cell: str, direction: int = 0) -> None:
        """TensorFlow's gates are i, candidate, f, o, and its forget bias of 1 is added at run time."""
        w_ih, w_hh, b_ih, _ = layer.all_weights[direction]
        name = f"{cell}/lstm_cell"
        kernel, bias = (_torch_gates(self._take(f"{name}/{part}")) for part in ("kernel", "bias"))
        inputs, hidden = kernel.tensor_split((w_ih.shape[1],))
        self._put(w_ih, inputs.T, name)
        self._put(w_hh, hidden.T, name)
        bias.chunk(4)[1].add_(FORGET_BIAS)
        self._put(b_ih, bias, name)

    def _take(self, name: str) -> Tensor:
        if name not in self.variables:
            raise MagentaError(f"it has no {name}")
        return torch.from_numpy(np.require(self.variables.pop(name), requirements="W"))

    def _put(self, parameter: Tensor, value: Tensor, name: str) -> None:
        if parameter.shape != value.shape:
            raise MagentaError(
                f"{name} has the shape {tuple(value.shape)}, not {tuple(parameter.shape)}: is it of another --config?"
            )
        self.converted[self.names[parameter]] = value.contiguous()


def _torch_gates(columns: Tensor) -> Tensor:
    """Columns (..., 4H) of the gates i, candidate, f, o in PyTorch's order i, f, candidate, o."""
    i, candidate, f, o = columns.chunk(4, dim=-1)
    return torch.cat([i, f, candidate, o], dim=-1)
