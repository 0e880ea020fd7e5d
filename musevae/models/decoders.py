"""The flat autoregressive LSTM decoder p(x|z) (Roberts et al. 2018, section 3; Magenta's CategoricalLstmDecoder)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from musevae.models.lstm import LstmStack, glorot_linear
from musevae.models.outputs import Logits, Output, check_temperature, uniform
from musevae.models.replay import recorded
from musevae.models.stepping import Stepper


@dataclass(frozen=True)
class ScheduledSampling:
    """With a probability, for each example and step alone, the next step sees a draw at temperature 1, not the event.

    The draws are made step by step, each given the mixture before it and without dropout (Bengio et al. 2015); or, with
    `passes`, at all steps at once, each given the mixture of the pass before, which begins with the events themselves
    (Duckworth et al. 2019: one such pass, two with that of the loss).
    """

    probability: float = 0.0
    passes: int = 0


TEACHER_FORCING = ScheduledSampling()


def segment_length(steps: int, segments: int) -> int:
    """The steps of each of `segments` equal segments; ValueError where they do not come out even."""
    if steps % segments:
        raise ValueError(f"{steps} steps do not fall into {segments} equal segments")
    return steps // segments


def each_step(logits: Logits) -> Logits:
    """Logits (B, T, V), or a tuple of such, as those of B * T steps, (B * T, V)."""
    return logits.flatten(0, 1) if isinstance(logits, Tensor) else tuple(part.flatten(0, 1) for part in logits)


class LstmDecoder(nn.Module):
    """LSTM layers that see, at each step, the previous event (none at step 0), z and the step's control.

    Everywhere z is (B, Z), or (B, S, Z): then the T steps fall into S equal segments, each started anew from its own z,
    while the previous event crosses the border between them (the core of the hierarchical decoder).
    """

    def __init__(
        self, output: Output, sizes: Sequence[int], z_size: int, *, control_size: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.output, self.z_size = output, z_size
        self.stack = LstmStack(output.feedback_size + z_size + control_size, sizes, z_size, dropout=dropout)
        self.projection = glorot_linear(sizes[-1], output.size)

    def logits(
        self,
        events: Tensor,
        z: Tensor,
        control: Tensor | None = None,
        *,
        sampling: ScheduledSampling = TEACHER_FORCING,
        generator: torch.Generator | None = None,
    ) -> Logits:
        """Logits (B, T, V) at every step of events (B, T, ...) given the events before it (teacher forcing).

        With scheduled `sampling`, some of the events before are draws from the model's own output. No gradient flows
        through a draw, so the draws come first, and all logits then follow from the mixture at once.
        """
        if sampling.probability > 0:
            keep = self._kept(events, sampling.probability, generator)
            if sampling.passes:
                events = self._mix_at_once(events, keep, z, control, sampling.passes, generator)
            else:
                events = self._mix(events, keep, z, control, generator)
        return self._teacher_forced(events, z, control)

    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """-log p(events) (B,) in nats, summed over steps, in the precision of the weights whatever autocast says."""
        exact = partial(torch.Tensor.to, dtype=self.projection.weight.dtype)
        with torch.autocast(events.device.type, enabled=False):
            logits = exact(logits) if isinstance(logits, Tensor) else tuple(map(exact, logits))
            return self.output.negative_log_likelihood(logits, events)

    def most_probable(self, logits: Logits) -> Tensor:
        """The events (B, T, ...) that are most probable, each by itself, under logits (B, T, V)."""
        return self.output.sample(logits, temperature=0.0)

    def decode(
        self,
        z: Tensor,
        steps: int,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        control: Tensor | None = None,
    ) -> Tensor:
        """Events (B, T, ...) drawn one by one, each step seeing the event drawn before; temperature 0 is argmax."""
        check_temperature(temperature)
        return self._run(z, steps, control, temperature, generator)

    def _teacher_forced(self, events: Tensor, z: Tensor, control: Tensor | None) -> Logits:
        """Logits (B, T, V) at every step of events (B, T, ...) given those before it."""
        z = z if z.dim() == 3 else z.unsqueeze(1)
        (batch, segments, _), steps = z.shape, events.shape[1]
        length = segment_length(steps, segments)
        codes = self.output.feedback(events)
        previous = torch.cat([self._none(codes[:, :1]), codes[:, :-1]], dim=1)
        z = z.flatten(0, 1)  # (B * S, Z)
        extra = z.unsqueeze(1)
        if control is not None:
            extra = torch.cat([extra.expand(-1, length, -1), control.reshape(len(z), length, -1)], dim=-1)
        hidden = self.stack(previous.reshape(len(z), length, *codes.shape[2:]), z, extra)
        return self.output.split(self.projection(hidden).reshape(batch, steps, -1))

    def _kept(self, events: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
        """Which events (B, T, ...) scheduled sampling leaves as they are, (B, T, 1 ...): a coin for each step."""
        keep = uniform(events.shape[:2], events.device, generator) >= probability
        return keep.reshape(*keep.shape, *(1 for _ in self.output.shape))

    def _mix(
        self, events: Tensor, keep: Tensor, z: Tensor, control: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """Events where `keep` (B, T, ...) says so, else draws from the model, which saw the mixture before each."""

        def mix(drawn: Tensor, t: int) -> Tensor:
            return torch.where(keep[:, t], events[:, t], drawn)

        return self._run(z, events.shape[1], control, self.output.scheduled_temperature, generator, mix)

    @torch.no_grad()
    def _mix_at_once(
        self,
        events: Tensor,
        keep: Tensor,
        z: Tensor,
        control: Tensor | None,
        passes: int,
        generator: torch.Generator | None,
    ) -> Tensor:
        """As `_mix`, but the model saw the mixture of the pass before; as many passes as steps would be the same."""
        mixed = events
        for _ in range(passes):
            logits = self._teacher_forced(mixed, z, control)
            drawn = self.output.sample(each_step(logits), self.output.scheduled_temperature, generator)
            mixed = torch.where(keep, events, drawn.reshape(events.shape))
        torch.clear_autocast_cache()  # or weights cast to 16 bits without gradients would be used again
        return mixed

    def _run(
        self,
        z: Tensor,
        steps: int,
        control: Tensor | None,
        temperature: float,
        generator: torch.Generator | None,
        mix: Callable[[Tensor, int], Tensor] | None = None,
    ) -> Tensor:
        """Events (B, T, ...), one by one: step t + 1 sees the event drawn at step t, or mix(drawn, t), (B, ...).

        In the precision of the weights, whatever autocast says: what is written in place has one dtype.
        """
        with torch.inference_mode(), torch.autocast(z.device.type, enabled=False):
            z = (z if z.dim() == 3 else z.unsqueeze(1)).to(self.projection.weight.dtype)
            control = None if control is None else control.to(z.dtype)
            batch, segments, _ = z.shape
            length = segment_length(steps, segments)
            stepper = Stepper(self.stack, self.projection, self.output.feedback_size, z)
            dtype = z.dtype if self.output.floating else torch.int64
            events = torch.zeros(batch, steps, *self.output.shape, dtype=dtype, device=z.device)
            previous = self._none(self.output.feedback(events[:, 0]))
            control_now = None if control is None else control[:, 0].clone()

            def step() -> Tensor:
                logits = self.output.split(stepper.step(previous, control_now))
                return self.output.sample(logits, temperature, generator)

            # a training step, which mixes, would wait for the device to record it
            draw = step if mix else recorded(step, z.device, generator)
            for t in range(steps):
                if t % length == 0:
                    stepper.start(t // length)
                if control is not None and control_now is not None:
                    control_now.copy_(control[:, t])
                event = mix(draw(), t) if mix else draw()
                if self.output.ends and t % length:
                    event = event.masked_fill(events[:, t - 1] >= self.output.size - 1, self.output.size)
                events[:, t] = event
                previous.copy_(self.output.feedback(event))
        return events.clone()  # no longer an inference tensor: it may be trained on

    def _none(self, codes: Tensor) -> Tensor:
        """What stands for no event, shaped as the codes of events."""
        none = 0 if codes.is_floating_point() else self.output.feedback_size
        return torch.full_like(codes, none)


class SplitDecoder(nn.Module):
    """One decoder for each part of an event, each seeing its own part alone: events (B, T, K), a tuple of K logits.

    Magenta's SplitMultiOutLstmDecoder, the core of its trios.
    """

    def __init__(self, output: Output, parts: Sequence[LstmDecoder]) -> None:
        super().__init__()
        self.output = output
        self.parts = cast("Sequence[LstmDecoder]", nn.ModuleList(parts))

    def logits(
        self,
        events: Tensor,
        z: Tensor,
        control: Tensor | None = None,
        *,
        sampling: ScheduledSampling = TEACHER_FORCING,
        generator: torch.Generator | None = None,
    ) -> Logits:
        """`LstmDecoder.logits` of each part, (B, T, V) each."""
        parts = zip(self.parts, events.unbind(-1), strict=True)
        logits = (part.logits(of, z, control, sampling=sampling, generator=generator) for part, of in parts)
        return tuple(cast(Tensor, own) for own in logits)

    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """-log p(events) (B,) in nats, summed over parts and steps."""
        parts = zip(self.parts, logits, events.unbind(-1), strict=True)
        return torch.stack([part.negative_log_likelihood(own, of) for part, own, of in parts]).sum(0)

    def most_probable(self, logits: Logits) -> Tensor:
        """The events (B, T, K) that are most probable under the logits of each part."""
        return torch.stack([part.most_probable(own) for part, own in zip(self.parts, logits, strict=True)], dim=-1)

    def decode(
        self,
        z: Tensor,
        steps: int,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        control: Tensor | None = None,
    ) -> Tensor:
        """`LstmDecoder.decode` of each part, together (B, T, K)."""
        return torch.stack([part.decode(z, steps, temperature, generator, control) for part in self.parts], dim=-1)
