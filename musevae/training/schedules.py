"""Learning rate, beta and sampling probability as functions of the step (Magenta's, and a cosine)."""

from __future__ import annotations

import math

from musevae.config import Optimisation, TrainConfig


def learning_rate(config: Optimisation, step: int, steps: int) -> float:
    """Learning rate: min + (max - min) * decay, exponential (Magenta) or a half cosine over all `steps`; warm-up."""
    if config.learning_rate_schedule == "exponential":
        decay = config.learning_rate_decay**step
    else:
        decay = (1 + math.cos(math.pi * min(1.0, step / steps))) / 2
    rate = config.min_learning_rate + (config.learning_rate - config.min_learning_rate) * decay
    return rate * warmup(step, config.warmup_steps)


def beta(config: Optimisation, step: int) -> float:
    """KL weight: beta * (1 - rate ** step), with 0 ** 0 = 1 (Magenta), times a linear warm-up."""
    return config.beta * (1 - config.beta_rate**step) * warmup(step, config.beta_warmup_steps)


def warmup(step: int, steps: int) -> float:
    """Linear from 0 to 1 in `steps` steps; 1 where there are none."""
    return min(1.0, (step + 1) / steps) if steps else 1.0


def sampling_probability(config: TrainConfig, step: int) -> float:
    """Probability that a step's input is the model's own sample: 1 - k / (k + exp(step / k)) (Bengio et al. 2015)."""
    if config.sampling == "teacher_forcing":
        return 0.0
    k = config.sampling_rate
    return 1 - 1 / (1 + math.exp(min(step / k, 500.0)) / k)
