"""LSTM layers over whole sequences, with Magenta's initialisation and input dropout (its `LSTMBlockCell`)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musevae.models.recurrence import gates_first, recur

FORGET_BIAS = 1.0  # Jozefowicz et al. 2015
CUDNN_WITH_BFLOAT16 = 91300  # 9.13, by PyTorch from 2.10 on
AMPERE = (8, 0)  # the first cards that multiply it


def glorot_linear(input_size: int, output_size: int, *, bias: bool = True) -> nn.Linear:
    """An `nn.Linear` with Glorot uniform weights and zero bias, as TensorFlow's dense layer, or without bias."""
    linear = nn.Linear(input_size, output_size, bias=bias)
    nn.init.xavier_uniform_(linear.weight)
    if bias:
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

    def forward(self, x: Tensor, z: Tensor, extra: Tensor | None = None) -> Tensor:
        """The top layer's outputs (B, T, H), started from z (B, Z), for inputs x and `extra` as of `run_layer`."""
        for layer, state in zip(self.layers, self.state(z), strict=True):
            x, extra = run_layer(layer, x, state, extra=extra, dropout=self.dropout if self.training else 0.0), None
        return x


def run_layer(
    layer: nn.LSTM,
    x: Tensor,
    state: tuple[Tensor, Tensor] | None = None,
    *,
    extra: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Outputs (B, T, H) or, of a bidirectional layer, (B, T, 2H), from state (h, c), (B, H) each, or zeros.

    x is float (B, T, D), or classes (B, T) or (B, T, K) int64 that stand for vectors with (K) ones, the class after the
    last for zeros; to either the features `extra` (B, T, E) or, the same at every step, (B, 1, E), are appended. On a
    GPU, and for vectors alone, this is PyTorch's kernel (cuDNN's, oneDNN's); else a one's product is a row of a table,
    and a constant's is taken once.
    """
    if x.is_cuda or dropout or (x.is_floating_point() and extra is None):
        return fused(layer, F.dropout(dense(x, extra, layer.input_size), dropout), state)
    if extra is not None and extra.shape[1] > 1:
        x, extra = dense(x, extra, layer.input_size), None
    h, c = state or layer.all_weights[0][0].new_zeros(2, len(x), layer.hidden_size)
    directions = []
    for reverse, weights in enumerate(layer.all_weights):
        w_ih, w_hh, b_ih, b_hh = map(gates_first, weights)
        table, constant = w_ih.transpose(1, 2), (b_ih + b_hh).unsqueeze(1)
        if extra is not None:
            table, features = table.tensor_split((layer.input_size - extra.shape[-1],), dim=1)
            constant = constant + extra[:, 0] @ features
        if not x.is_floating_point():
            table = F.pad(table, (0, 0, 0, 1))  # the last row: no event
        directions.append(recur(x.transpose(0, 1), table, constant, w_hh, h, c, reverse=bool(reverse)))
    return torch.cat(directions, dim=-1).transpose(0, 1)


def fused(layer: nn.LSTM, x: Tensor, state: tuple[Tensor, Tensor] | None) -> Tensor:
    """`layer(x, state)`'s outputs by PyTorch's own kernel; under autocast, in its dtype where that is no slower.

    Autocast itself would run cuDNN's LSTM in float16 whatever its dtype, and gradients would underflow.
    """
    device, dtype = x.device.type, layer.all_weights[0][0].dtype
    if torch.is_autocast_enabled(device):
        wanted = torch.get_autocast_dtype(device)
        dtype = dtype if x.is_cuda and wanted == torch.bfloat16 and not cudnn_has_bfloat16(x.device) else wanted
    h, c = state or x.new_zeros(2, len(x), layer.hidden_size)
    states = [part.to(dtype).expand(1 + layer.bidirectional, -1, -1).contiguous() for part in (h, c)]
    weights = [weight.to(dtype) for weights in layer.all_weights for weight in weights]
    with torch.autocast(device, enabled=False), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights")  # ... are not one piece of memory: they are cast anew
        kept = torch.is_grad_enabled()  # what the backward pass needs
        outputs: Tensor = torch.lstm(x.to(dtype), states, weights, True, 1, 0.0, kept, layer.bidirectional, True)[0]
    return outputs


@cache
def cudnn_has_bfloat16(device: torch.device) -> bool:
    """Whether PyTorch runs cuDNN's LSTM in bfloat16 on a GPU; else it would go step by step: float32 is faster."""
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    new = release >= (2, 10) and (cudnn or 0) >= CUDNN_WITH_BFLOAT16
    return new and torch.cuda.get_device_capability(device) >= AMPERE


def dense(x: Tensor, extra: Tensor | None, size: int) -> Tensor:
    """The inputs of `run_layer` written out, (B, T, size)."""
    dtype = torch.get_default_dtype() if extra is None else extra.dtype
    features = 0 if extra is None else extra.shape[-1]
    vectors = x if x.is_floating_point() else one_hot(x, size - features, dtype)
    return vectors if extra is None else torch.cat([vectors, extra.expand(-1, x.shape[1], -1)], dim=-1)


def one_hot(events: Tensor, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Classes (B, T) or (B, T, K) int64 as vectors (B, T, size) with a one for each, class `size` as zeros."""
    classes = events if events.dim() == 3 else events.unsqueeze(-1)
    vectors = torch.zeros(*classes.shape[:2], size + 1, dtype=dtype, device=events.device)
    return vectors.scatter_(-1, classes, 1)[..., :size]
