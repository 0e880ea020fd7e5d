"""What training a model costs, from its layers' shapes alone: parameters, arithmetic and memory.

A multiplication with its addition counts as 2 FLOPs. Counted are matrix products: those of an LSTM's inputs and of its
state at each step, those of linear layers and of a NADE; a class counts as the vector with a one that it stands for.
The backward pass has each product twice, for the gradient of either factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from musevae.config import Config
from musevae.models.encoders import HierarchicalLstmEncoder
from musevae.models.hierarchical import HierarchicalLstmDecoder
from musevae.models.nade import Nade
from musevae.vaes import MusicVAE

FLOAT_BYTES = 4
BACKWARD = 2  # products for each of the forward pass
ADAM_MOMENTS = 2
KEPT_BY_LSTM = 8  # numbers a cell and step: 4 gates, h, c, tanh(c), and the output that the next layer keeps
KEPT_BY_OUTPUT = 3  # numbers a logit: itself, its logarithm normalised, its gradient


@dataclass(frozen=True)
class Layer:
    """A layer with parameters of its own."""

    name: str
    kind: str
    shape: str  # "in -> out"
    parameters: int  # trainable
    applied: int  # how often to an example: the steps that it runs through
    flops: int  # of the forward pass of an example
    kept: int  # numbers of an example that wait for the backward pass


@dataclass(frozen=True)
class Cost:
    """A model's layers, and what they sum up to."""

    layers: tuple[Layer, ...]
    batch_size: int
    weights: int  # frozen ones included

    @property
    def parameters(self) -> int:
        """The trainable ones."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def flops(self) -> dict[str, int]:
        """Of one example."""
        forward = sum(layer.flops for layer in self.layers)
        return {"forward": forward, "backward": BACKWARD * forward}

    @property
    def memory_bytes(self) -> dict[str, int]:
        """In 32 bits, of a whole batch on one device; the data set and torch itself come on top."""
        kept = sum(layer.kept for layer in self.layers)
        numbers = {
            "weights": self.weights,
            "gradients": self.parameters,
            "adam": ADAM_MOMENTS * self.parameters,
            "activations": self.batch_size * kept,
        }
        memory = {name: FLOAT_BYTES * count for name, count in numbers.items()}
        return {**memory, "total": sum(memory.values())}

    @property
    def gpu_memory_bytes(self) -> int:
        """On a GPU, where activations have 16 bits, and weights a copy in as many."""
        memory = self.memory_bytes
        return memory["total"] - memory["activations"] // 2 + memory["weights"] // 2


def cost(config: Config) -> Cost:
    """What training this config costs; no weight is made."""
    with torch.device("meta"):
        vae = MusicVAE(config)
    modules = {name: module for name, module in vae.named_modules() if isinstance(module, nn.LSTM | nn.Linear | Nade)}
    layers = tuple(layer(name, module, applied(vae, name)) for name, module in modules.items())
    return Cost(layers, config.train.batch_size, sum(parameter.numel() for parameter in vae.parameters()))


def applied(vae: MusicVAE, name: str) -> int:
    """How often a layer is applied to an example."""
    segments = vae.decoder.segments if isinstance(vae.decoder, HierarchicalLstmDecoder) else 1
    if isinstance(vae.encoder, HierarchicalLstmEncoder) and name.startswith("encoder."):
        _, _, level, *_ = name.split(".")  # encoder.levels.0.layers.0
        return math.prod(vae.encoder.lengths[int(level) :])
    if name.startswith("head.") or name == "decoder.conductor.initial_state":
        return 1
    if name.startswith("decoder.conductor.") or name.endswith(".initial_state"):
        return segments
    return vae.steps


def layer(name: str, module: nn.Module, times: int) -> Layer:
    """A layer, applied so many times to an example."""
    parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    if isinstance(module, nn.LSTM):
        D, H, ways = module.input_size, module.hidden_size, 1 + module.bidirectional
        kind, shape = "bidirectional LSTM" if module.bidirectional else "LSTM", f"{D} -> {ways * H}"
        products, kept = ways * 4 * H * (D + H), ways * KEPT_BY_LSTM * H
    elif isinstance(module, nn.Linear):
        kind, shape = "linear", f"{module.in_features} -> {module.out_features}"
        products, kept = module.in_features * module.out_features, KEPT_BY_OUTPUT * module.out_features
    else:
        assert isinstance(module, Nade)
        hidden = module.w_enc.shape[1]
        kind, shape = "NADE", f"{hidden} -> {module.bits}"
        products, kept = 2 * module.bits * hidden, KEPT_BY_OUTPUT * module.bits * hidden
    return Layer(name, kind, shape, parameters, times, 2 * products * times, kept * times)
