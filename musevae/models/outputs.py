"""What a decoder's last layer means: how events are read, how likely logits make them, how they are drawn.

Roberts et al. 2018, section 3 (categorical); Gillick et al. 2019, section 3 (groove). NADE has a file of its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Logits: TypeAlias = "Tensor | tuple[Tensor, ...]"

COLDEST = 1e-6  # temperatures between 0 and this are treated as this: logits / temperature stays finite in float32
NO_CLASS = -1  # none of the classes
GROOVE_EPSILON = 1e-7  # of the logarithms of GrooVAE's hits


def uniform(shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None = None) -> Tensor:
    """Uniform numbers in [0, 1) on `device`, drawn where the generator is: a CPU's gives one tune on any device."""
    source = device if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=source).to(device)


def check_temperature(temperature: float) -> float:
    """Give the temperature back, or raise ValueError where it is negative, infinite or not a number."""
    if not 0.0 <= temperature < math.inf:
        raise ValueError(f"temperature is {temperature}; it must be a finite number of at least 0 (0 means argmax)")
    return temperature


def sample(logits: Tensor, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Draw one class (B,) int64 of each row of logits (B, V) from softmax(logits / temperature); at 0, the argmax.

    By inversion of the distribution function: one uniform number a row, far cheaper on a CPU than `torch.multinomial`.
    """
    if check_temperature(temperature) == 0:
        return logits.argmax(-1)
    cumulative = (logits.float() / max(temperature, COLDEST)).softmax(-1).cumsum(-1)
    threshold = cumulative[:, -1:] * uniform((len(logits), 1), logits.device, generator)
    index = torch.searchsorted(cumulative, threshold, right=True)
    return index.squeeze(1).clamp_(max=logits.shape[-1] - 1)  # only NaN logits would lie beyond


def bernoulli(logits: Tensor, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Draw booleans with probability sigmoid(logits / temperature) each; at 0, where that is at least a half."""
    if check_temperature(temperature) == 0:
        return logits >= 0
    probability = (logits.float() / max(temperature, COLDEST)).sigmoid()
    return uniform(tuple(logits.shape), logits.device, generator) < probability


def negative_log_likelihood(logits: Tensor, events: Tensor, nothing: int = NO_CLASS) -> Tensor:
    """-log p(events) (B,) in nats, summed over steps, of int64 events (B, T) under categorical logits (B, T, V).

    Class `nothing`, where one is given, stands for no event at all and does not count.
    """
    nll = F.cross_entropy(logits.flatten(0, 1), events.flatten(), reduction="none", ignore_index=nothing)
    return nll.view_as(events).sum(1)


def drum_roll(bits: Tensor) -> Tensor:
    """Booleans (..., D) with one more behind them that says that none of them is set, as floats (..., D + 1)."""
    return torch.cat([bits, ~bits.any(-1, keepdim=True)], dim=-1).float()


class Output(nn.Module, ABC):
    """The kind of a model's events, (B, T, *shape): their codes as inputs, their likelihood, their draws.

    What an LSTM layer reads of events are `inputs` in the encoder and `feedback`, a step later, in the decoder: numbers
    (B, T, D), or classes (B, T) or (B, T, K) that stand for (K) ones among D zeros, D being `input_size` and
    `feedback_size`. The decoder's last layer gives `size` logits a step.
    """

    shape: tuple[int, ...] = ()
    limits: tuple[int, ...] = ()  # of an event's values, each from 0 to below its limit; one for all, or one for each
    floating = False  # whether events are real numbers
    ends = False  # whether a segment ends at the last class
    scheduled_temperature = 1.0  # of the draws of scheduled sampling

    def __init__(self, size: int, input_size: int, feedback_size: int) -> None:
        super().__init__()
        self.size, self.input_size, self.feedback_size = size, input_size, feedback_size

    def inputs(self, events: Tensor) -> Tensor:
        """What the encoder reads of events."""
        return events

    def feedback(self, events: Tensor) -> Tensor:
        """What the decoder reads of the events before."""
        return events

    def split(self, logits: Tensor) -> Logits:
        """Logits (..., size) as what users see: one tensor, or one for each part of an event."""
        return logits

    @abstractmethod
    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """-log p(events) (B,) in nats, summed over steps."""

    @abstractmethod
    def sample(self, logits: Logits, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Events (B, *shape) drawn for the logits of one step at a temperature; 0: the most probable, of (B, T) too."""


class Categorical(Output):
    """One class of `classes` at each step: events (B, T) int64.

    With `ends`, the last class ends a segment, and class `classes` fills it up: no event, of no likelihood.
    """

    def __init__(self, classes: int, *, ends: bool = False) -> None:
        super().__init__(classes, classes, classes)
        self.ends, self.limits = ends, (classes + ends,)

    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """-log p(events) (B,) under logits (B, T, V)."""
        assert isinstance(logits, Tensor)
        return negative_log_likelihood(logits, events, self.size if self.ends else NO_CLASS)

    def sample(self, logits: Logits, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Classes (B,) int64 for logits (B, V)."""
        assert isinstance(logits, Tensor)
        return sample(logits, temperature, generator)


class DrumCategorical(Categorical):
    """The set of drums struck, as one of 2^drums classes (bit k: drum k); the encoder reads the bits."""

    def __init__(self, drums: int) -> None:
        super().__init__(1 << drums)
        self.input_size = drums + 1
        self.drums = drums

    def inputs(self, events: Tensor) -> Tensor:
        """The roll (B, T, drums + 1) of events (B, T)."""
        bits = torch.arange(self.drums, device=events.device)
        return drum_roll((events.unsqueeze(-1) >> bits & 1).bool())


class MultiCategorical(Output):
    """K classes at each step, one of each vocabulary: events (B, T, K) int64, logits a tuple of K."""

    def __init__(self, classes: Sequence[int]) -> None:
        super().__init__(sum(classes), sum(classes), sum(classes))
        self.classes = self.limits = tuple(classes)
        self.shape = (len(classes),)
        self.offsets = [sum(classes[:k]) for k in range(len(classes))]

    def inputs(self, events: Tensor) -> Tensor:
        """Events (..., K) as classes of all vocabularies in a row."""
        parts = zip(events.unbind(-1), self.offsets, strict=True)
        return torch.stack([classes + offset for classes, offset in parts], dim=-1)

    feedback = inputs

    def split(self, logits: Tensor) -> Logits:
        """The logits of each vocabulary."""
        return torch.split(logits, list(self.classes), dim=-1)

    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """-log p(events) (B,), summed over the vocabularies."""
        parts = zip(logits, events.unbind(-1), strict=True)
        return torch.stack([negative_log_likelihood(part, of) for part, of in parts]).sum(0)

    def sample(self, logits: Logits, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Classes (B, K) int64."""
        return torch.stack([sample(part, temperature, generator) for part in logits], dim=-1)


class Groove(Output):
    """Hits, velocities and offsets of the instruments: events (B, T, 3 * instruments) float, logits of as many.

    Hits are Bernoulli; velocities, in 0..1, and offsets, in -1..1, have a normal likelihood whose constant is left out,
    so that its `negative_log_likelihood` is Magenta's sum of squared errors.
    """

    floating = True

    def __init__(self, instruments: int) -> None:
        super().__init__(3 * instruments, 3 * instruments, 3 * instruments)
        self.shape = (3 * instruments,)

    def negative_log_likelihood(self, logits: Logits, events: Tensor) -> Tensor:
        """Log loss of the hits (B,), plus squared errors of velocities and offsets."""
        assert isinstance(logits, Tensor)
        (hit, velocity, offset), (p, v, o) = events.chunk(3, dim=-1), logits.chunk(3, dim=-1)
        p = p.sigmoid()
        log_loss = -hit * (p + GROOVE_EPSILON).log() - (1 - hit) * (1 - p + GROOVE_EPSILON).log()
        errors = (velocity - v.sigmoid()).square() + (offset - o.tanh()).square()
        return (log_loss + errors).flatten(1).sum(1)

    def sample(self, logits: Logits, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Drawn hits, and the velocities and offsets that go with them, (B, 3 * instruments)."""
        assert isinstance(logits, Tensor)
        hit, velocity, offset = logits.chunk(3, dim=-1)
        return torch.cat([bernoulli(hit, temperature, generator), velocity.sigmoid(), offset.tanh()], dim=-1)
