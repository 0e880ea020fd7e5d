"""The hierarchical decoder: a conductor turns z into segment embeddings, a core decoder each of those into events.

Roberts et al. 2018, section 3.2, as in Magenta's HierarchicalLstmDecoder with `disable_autoregression`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from musevae.models.decoders import TEACHER_FORCING, LstmDecoder, ScheduledSampling, SplitDecoder, segment_length
from musevae.models.lstm import LstmStack
from musevae.models.outputs import Logits, Output


class HierarchicalLstmDecoder(nn.Module):
    """A conductor over S segments, and a core decoder that starts each segment from the conductor's output.

    The core's z is that output: its z_size is conductor_sizes[-1]. The conductor has no dropout. The event before
    crosses the border between two segments, as in Magenta's, unless they are `independent`: then each begins as the
    first does, nothing but z binds them, and all are decoded at once.
    """

    def __init__(
        self,
        core: LstmDecoder | SplitDecoder,
        conductor_sizes: Sequence[int],
        z_size: int,
        segments: int,
        *,
        independent: bool = False,
    ) -> None:
        super().__init__()
        self.segments, self.independent = segments, independent
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
        sampling: ScheduledSampling = TEACHER_FORCING,
        generator: torch.Generator | None = None,
    ) -> Logits:
        """Logits (B, T, V) for events (B, T, ...) and z (B, Z): `LstmDecoder.logits`, all segments at once."""
        embeddings = self.embeddings(z)
        if not self.independent:
            return self.core.logits(events, embeddings, control, sampling=sampling, generator=generator)
        rows = self._rows(events), embeddings.flatten(0, 1), None if control is None else self._rows(control)
        logits = self.core.logits(*rows, sampling=sampling, generator=generator)
        return self._whole(logits) if isinstance(logits, Tensor) else tuple(map(self._whole, logits))

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
        """Events (B, T, ...) for z (B, Z): `LstmDecoder.decode`, segment after segment, or all side by side."""
        with torch.no_grad():
            embeddings = self.embeddings(z)
        if not self.independent:
            return self.core.decode(embeddings, steps, temperature, generator, control)
        control = None if control is None else self._rows(control)
        length = segment_length(steps, self.segments)
        return self._whole(self.core.decode(embeddings.flatten(0, 1), length, temperature, generator, control))

    def _rows(self, x: Tensor) -> Tensor:
        """What has T steps, (B, T, ...), as a batch of segments (B * S, T / S, ...)."""
        return x.reshape(-1, segment_length(x.shape[1], self.segments), *x.shape[2:])

    def _whole(self, rows: Tensor) -> Tensor:
        """What undoes `_rows`."""
        return rows.reshape(-1, self.segments * rows.shape[1], *rows.shape[2:])
