"""What a decoder's last layer means: the likelihood of events given logits, and how an event is drawn from them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

COLDEST = 1e-6  # temperatures between 0 and this are treated as this: logits / temperature stays finite in float32


def negative_log_likelihood(logits: Tensor, events: Tensor, mask: Tensor | None = None) -> Tensor:
    """-log p(events) (B,) in nats, summed over steps, of int64 events (B, T) under categorical logits (B, T, V).

    Steps where the boolean `mask` (B, T) is False do not count.
    """
    nll = F.cross_entropy(logits.flatten(0, 1), events.flatten(), reduction="none").view_as(events)
    return nll.sum(1) if mask is None else nll.masked_fill(~mask, 0).sum(1)


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
