"""LSTM layers over whole sequences, with Magenta's initialisation and input dropout (its `LSTMBlockCell`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FORGET_BIAS = 1.0  # Jozefowicz et al. 2015


def glorot_linear(input_size: int, output_size: int) -> nn.Linear:
    """An `nn.Linear` with Glorot uniform weights and zero bias, as TensorFlow's dense layer."""
    linear = nn.Linear(input_size, output_size)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def normal_linear(input_size: int, output_size: int, std: float = 0.001) -> nn.Linear:
    """An `nn.Linear` with weights from N(0, std^2) and zero bias: as before mu, sigma and initial states."""
    linear = nn.Linear(input_size, output_size)
    nn.init.normal_(linear.weight, std=std)
    nn.init.zeros_(linear.bias)
    return linear


def lstm_layer(input_size: int, hidden_size: int, *, bidirectional: bool = False) -> nn.LSTM:
    """One batch-first `nn.LSTM` layer, Glorot uniform over the fused (input + hidden, 4 hidden) matrix, forget bias 1.

    `nn.LSTM` adds two biases where one is enough: `bias_hh` is frozen at zero, so trainable parameters are Magenta's.
    """
    layer = nn.LSTM(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
    limit = math.sqrt(6 / (input_size + hidden_size + 4 * hidden_size))
    for name, parameter in layer.named_parameters():
        if name.startswith("weight"):
            nn.init.uniform_(parameter, -limit, limit)
        else:
            nn.init.zeros_(parameter)
        if name.startswith("bias_ih"):
            nn.init.constant_(parameter[hidden_size : 2 * hidden_size], FORGET_BIAS)
        if name.startswith("bias_hh"):
            parameter.requires_grad_(False)
    return layer


class LstmStack(nn.Module):
    """LSTM layers of any sizes whose initial states come from one vector: tanh(linear(z))."""

    def __init__(self, input_size: int, sizes: Sequence[int], z_size: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.dropout = dropout  # probability with which each element of each layer's input is dropped in training
        layers = (lstm_layer(n, size) for n, size in zip((input_size, *sizes), sizes, strict=False))
        self.layers = cast("Sequence[nn.LSTM]", nn.ModuleList(layers))
        self.initial_state = normal_linear(z_size, 2 * sum(sizes))

    def state(self, z: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each layer's initial (h, c), (B, H) each, for z (B, Z); the linear map has Magenta's order c0, h0, c1, h1."""
        flat = self.initial_state(z).tanh().split([size for size in self.sizes for _ in "ch"], dim=-1)
        return [(h, c) for c, h in zip(flat[::2], flat[1::2], strict=True)]

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """The top layer's outputs (B, T, H) for inputs x (B, T, D), started from z (B, Z)."""
        for layer, (h, c) in zip(self.layers, self.state(z), strict=True):
            x = F.dropout(x, self.dropout, self.training)
            x, _ = layer(x, (h.contiguous().unsqueeze(0), c.contiguous().unsqueeze(0)))
        return x


def one_hot(events: Tensor, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Classes (B, T) int64 as one-hot vectors (B, T, size)."""
    return torch.zeros(*events.shape, size, dtype=dtype, device=events.device).scatter_(-1, events.unsqueeze(-1), 1)
