"""Encoders: a window of events to one vector, and that to the posterior q(z|x) (Roberts et al. 2018, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from musevae.models.gaussian import DiagonalGaussian
from musevae.models.lstm import dense, lstm_layer, normal_linear, run_layer


class BidirectionalLstmEncoder(nn.Module):
    """Stacked bidirectional LSTM layers, read out as the last layer's two final hidden states."""

    def __init__(self, input_size: int, sizes: Sequence[int], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = 2 * sizes[-1]
        self.dropout = dropout
        inputs = (input_size, *(2 * size for size in sizes))
        layers = (lstm_layer(n, size, bidirectional=True) for n, size in zip(inputs, sizes, strict=False))
        self.layers = cast("Sequence[nn.LSTM]", nn.ModuleList(layers))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed events x (B, T) int64, or any float inputs x (B, T, D), as [h forward, h backward] (B, 2H).

        With `lengths` (B,) int64, at least 1, steps from there on are not read.
        """
        if lengths is not None:
            return self._packed(x, lengths.flatten())
        for layer in self.layers:
            x = run_layer(layer, x, dropout=self.dropout if self.training else 0.0)
        forward, backward = x.chunk(2, dim=-1)
        return torch.cat([forward[:, -1], backward[:, 0]], dim=-1)

    def _packed(self, x: Tensor, lengths: Tensor) -> Tensor:
        x, steps = dense(x, None, self.input_size).to(self.layers[0].all_weights[0][0].dtype), x.shape[1]
        h: Tensor
        for layer in self.layers:
            x = F.dropout(x, self.dropout, self.training)
            rows = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
            with torch.autocast(x.device.type, enabled=False):  # which would run it in float16, whatever its dtype
                packed, (h, _) = layer(rows)
            x, _ = pad_packed_sequence(packed, batch_first=True, total_length=steps)
        return h.transpose(0, 1).flatten(1)  # (2, B, H) -> (B, 2H)


class HierarchicalLstmEncoder(nn.Module):
    """Bidirectional encoders in levels: the first reads segments of lengths[0] steps, the next their embeddings."""

    def __init__(
        self, input_size: int, sizes: Sequence[int], lengths: Sequence[int] = (16, 16), *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = 2 * sizes[-1]
        self.lengths = tuple(lengths)
        inputs = (input_size, *(self.output_size for _ in self.lengths[1:]))
        self.levels = nn.ModuleList(BidirectionalLstmEncoder(n, sizes, dropout=dropout) for n in inputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed events x (B, T) int64 or float inputs x (B, T, D), T the product of the lengths, as (B, 2H).

        With `lengths` (B, S) int64, at least 1, steps of each first-level segment from there on are not read.
        """
        batch = len(x)
        for level, length in zip(self.levels, self.lengths, strict=True):
            segments = x.reshape(-1, length, *x.shape[2:])  # (B * S, length[, D])
            x, lengths = level(segments, lengths).reshape(batch, -1, self.output_size), None  # (B, S, 2H)
        return x.squeeze(1)


class PosteriorHead(nn.Module):
    """An embedding to q(z|x): mu is linear, sigma is softplus of linear."""

    def __init__(self, input_size: int, z_size: int) -> None:
        super().__init__()
        self.mu = normal_linear(input_size, z_size)
        self.sigma = normal_linear(input_size, z_size)

    def forward(self, embedding: Tensor) -> DiagonalGaussian:
        """The posterior, (B, Z), for an embedding (B, E); in full precision even where the LSTMs run in less."""
        with torch.autocast(embedding.device.type, enabled=False):
            embedding = embedding.to(self.mu.weight.dtype)
            return DiagonalGaussian(self.mu(embedding), F.softplus(self.sigma(embedding)))
