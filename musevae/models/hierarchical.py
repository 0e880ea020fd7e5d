"""The hierarchical decoder: a conductor turns z into segment embeddings, a core decoder each of those into events.

Roberts et al. 2018, section 3.2, as in Magenta's HierarchicalLstmDecoder with `disable_autoregression`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from musevae.models.decoders import LstmDecoder, SplitDecoder
from musevae.models.lstm import LstmStack
from musevae.models.outputs import Logits, Output


class HierarchicalLstmDecoder(nn.Module):
    """A conductor over S segments, and a core decoder that starts each segment from the conductor's output.

    The core's z is that output: its z_size is conductor_sizes[-1]. The conductor has no dropout.
    """

    def __init__(
        self, core: LstmDecoder | SplitDecoder, conductor_sizes: Sequence[int], z_size: int, segments: int
    ) -> None:
        super().__init__()
        self.segments = segments
        self.conductor = LstmStack(1, conductor_sizes, z_size)
        self.core = core

    @property
    def output(self) -> Output:
        """The kind of the events."""
        return self.core.output

    def embeddings(self, z: Tensor) -> Tensor:
        """The conductor's outputs (B, S, E) for z (B, Z); it sees nothing but its initial state, its input is zeros."""
        outputs: Tensor = self.conductor(z.new_zeros(len(z), self.segments, 1), z)
        return outputs

    def logits(
        self,
        events: Tensor,
        z: Tensor,
        control: Tensor | None = None,
        *,
        sampling_probability: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Logits:
        """Logits (B, T, V) for events (B, T, ...) and z (B, Z): `LstmDecoder.logits`, all segments at once."""
        return self.core.logits(
            events, self.embeddings(z), control, sampling_probability=sampling_probability, generator=generator
        )

    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """-log p(events) (B,) in nats, summed over steps."""
        return self.core.negative_log_likelihood(logits, events)

    def most_probable(self, logits: Logits) -> Tensor:
        """The events (B, T, ...) that are most probable, each by itself, under logits (B, T, V)."""
        return self.core.most_probable(logits)

    def decode(
        self,
        z: Tensor,
        steps: int,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        control: Tensor | None = None,
    ) -> Tensor:
        """Events (B, T, ...) for z (B, Z): `LstmDecoder.decode`, segment after segment."""
        with torch.no_grad():
            return self.core.decode(self.embeddings(z), steps, temperature, generator, control)
