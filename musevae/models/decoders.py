"""The flat autoregressive LSTM decoder p(x|z) (Roberts et al. 2018, section 3; Magenta's CategoricalLstmDecoder)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musevae.models.lstm import LstmStack, glorot_linear
from musevae.models.outputs import check_temperature, sample, uniform
from musevae.models.stepping import Stepper


def segment_length(steps: int, segments: int) -> int:
    """The steps of each of `segments` equal segments; ValueError where they do not come out even."""
    if steps % segments:
        raise ValueError(f"{steps} steps do not fall into {segments} equal segments")
    return steps // segments


class LstmDecoder(nn.Module):
    """LSTM layers that see, at each step, the previous event (none at step 0), z and the step's control.

    Everywhere z is (B, Z), or (B, S, Z): then the T steps fall into S equal segments, each started anew from its own z,
    while the previous event crosses the border between them (the core of the hierarchical decoder).
    """

    def __init__(
        self, output_size: int, sizes: Sequence[int], z_size: int, *, control_size: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.output_size, self.z_size = output_size, z_size
        self.stack = LstmStack(output_size + z_size + control_size, sizes, z_size, dropout=dropout)
        self.output = glorot_linear(sizes[-1], output_size)

    def logits(
        self,
        events: Tensor,
        z: Tensor,
        control: Tensor | None = None,
        *,
        sampling_probability: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Logits (B, T, V) at every step of events (B, T) int64 given the events before it (teacher forcing).

        Scheduled sampling (Bengio et al. 2015): with `sampling_probability`, for each example and step alone, the next
        step sees an event drawn from the model's own output at temperature 1 instead. No gradient flows through a draw,
        so the draws come first, step by step (without dropout), and all logits then follow from the mixture at once.
        """
        if sampling_probability > 0:
            events = self._mix(events, z, control, sampling_probability, generator)
        z = z if z.dim() == 3 else z.unsqueeze(1)
        (batch, segments, _), steps = z.shape, events.shape[1]
        length = segment_length(steps, segments)
        previous = F.pad(events[:, :-1], (1, 0), value=self.output_size).reshape(-1, length)  # none at step 0
        z = z.flatten(0, 1)  # (B * S, Z)
        extra = z.unsqueeze(1)
        if control is not None:
            extra = torch.cat([extra.expand(-1, length, -1), control.reshape(len(z), length, -1)], dim=-1)
        hidden = self.stack(previous, z, extra)
        logits: Tensor = self.output(hidden)
        return logits.reshape(batch, steps, -1)

    def decode(
        self,
        z: Tensor,
        steps: int,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        control: Tensor | None = None,
    ) -> Tensor:
        """Events (B, T) int64 drawn one by one, each step seeing the event drawn before; temperature 0 is argmax."""
        check_temperature(temperature)
        return self._run(z, steps, control, lambda logits, t: sample(logits, temperature, generator))

    def _mix(
        self, events: Tensor, z: Tensor, control: Tensor | None, probability: float, generator: torch.Generator | None
    ) -> Tensor:
        """Events (B, T), each replaced with a probability by a draw from the model, which saw the mixture before it."""
        keep = uniform(events.shape, events.device, generator) >= probability

        def choose(logits: Tensor, t: int) -> Tensor:
            return torch.where(keep[:, t], events[:, t], sample(logits, generator=generator))

        return self._run(z, events.shape[1], control, choose)

    def _run(self, z: Tensor, steps: int, control: Tensor | None, choose: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Events (B, T) int64, one by one: choose(logits (B, V), t) gives step t's, (B,), which step t + 1 sees."""
        with torch.inference_mode():
            z = z if z.dim() == 3 else z.unsqueeze(1)
            batch, segments, _ = z.shape
            length = segment_length(steps, segments)
            stepper = Stepper(self.stack, self.output, batch)
            event = torch.full((batch,), self.output_size, device=z.device)  # none yet
            events = []
            for t in range(steps):
                if t % length == 0:
                    stepper.start(z[:, t // length])
                logits = stepper.step(event, None if control is None else control[:, t])
                event = choose(logits, t)
                events.append(event)
            result = torch.stack(events, dim=1)
        return result.clone()  # no longer an inference tensor: it may be trained on
