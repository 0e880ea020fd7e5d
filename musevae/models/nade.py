"""NADE, the neural autoregressive distribution estimator (Larochelle & Murray 2011), as output of a recurrent decoder.

The RNN-NADE of Boulanger-Lewandowski et al. 2012, as in Magenta's MultiLabelRnnNadeDecoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from musevae.models.outputs import Logits, Output, bernoulli, drum_roll

EPSILON = 1e-6  # of the logarithms
Choose = Callable[[int, Tensor], Tensor]


class Nade(Output):
    """D bits at each step, each given those before it: events (B, T, D) int64.

    The decoder's logits are NADE's biases at that step, (B, T, hidden + D); the encoder reads the bits and one that
    says that none is set.
    """

    scheduled_temperature = 0.0  # Magenta's scheduled sampling takes what is more probable than not

    def __init__(self, bits: int, hidden: int = 128) -> None:
        super().__init__(hidden + bits, bits + 1, bits)
        self.bits, self.shape, self.limits = bits, (bits,), (2,)
        std = 1 / math.sqrt(bits)
        self.w_enc, self.w_dec = (
            nn.Parameter(nn.init.trunc_normal_(torch.empty(bits, hidden), std=std, a=-2 * std, b=2 * std))
            for _ in range(2)
        )

    def inputs(self, events: Tensor) -> Tensor:
        """The roll (B, T, D + 1) of events (B, T, D)."""
        return drum_roll(events.bool())

    def feedback(self, events: Tensor) -> Tensor:
        """The bits as numbers."""
        return events.to(self.w_enc.dtype)

    def bit_logits(self, logits: Tensor, choose: Choose) -> tuple[Tensor, Tensor]:
        """Each bit's logit given the bits before it, and the bits, (..., D) both: `choose(i, logit)` gives bit i."""
        a, b_dec = logits.tensor_split((logits.shape[-1] - self.bits,), dim=-1)
        found, bits = [], []
        for i in range(self.bits):
            found.append(b_dec[..., i] + a.sigmoid() @ self.w_dec[i])
            bits.append(choose(i, found[-1]).to(a.dtype))
            a = a + bits[-1].unsqueeze(-1) * self.w_enc[i]
        return torch.stack(found, dim=-1), torch.stack(bits, dim=-1)

    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """-log p(events) (B,) under logits (B, T, hidden + D)."""
        assert isinstance(logits, Tensor)
        found, bits = self.bit_logits(logits, lambda i, _: events[..., i])
        p = found.sigmoid()
        nll = -bits * (EPSILON + p).log() - (1 - bits) * (EPSILON + 1 - p).log()
        return nll.flatten(1).sum(1)

    def sample(self, logits: Logits, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Bits (B, D) int64, drawn one by one; at temperature 0 each is what is more probable, given those before."""
        assert isinstance(logits, Tensor)
        return self.bit_logits(logits, lambda _, logit: bernoulli(logit, temperature, generator))[1].long()
