"""The objective, the schedules and the optimiser: what training music and training images have in common."""

from __future__ import annotations

from dataclasses import dataclass

from musevae.config.values import ConfigError, check_values

FORMAT_VERSION = 1  # of config.json


@dataclass(frozen=True)
class Optimisation:
    """Loss, schedules and optimiser; the defaults are Magenta's. Schedules run over all steps of a run."""

    batch_size: int = 512
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "exponential"  # or "cosine", over all steps
    learning_rate_decay: float = 0.9999  # exponential: per step
    min_learning_rate: float = 1e-5
    warmup_steps: int = 0  # linear, of the learning rate
    beta: float = 0.2  # weight of the KL in the end
    beta_rate: float = 0.0  # beta * (1 - rate ** step)
    beta_warmup_steps: int = 0  # linear, on top
    free_bits: float = 0.0  # bits of KL per example that cost nothing
    free_bits_per_dim: float = 0.0  # bits per latent dimension
    samples: int = 1  # draws of z an example: several make it the bound of IWAE (Burda et al. 2016)
    mmd: float = 0.0  # weight of the discrepancy of a batch's z from the prior (InfoVAE, Zhao et al. 2019)
    clip_norm: float = 1.0
    skip_norm: float = 1e4  # a step with a larger gradient norm changes nothing
    log_every: int = 50
    validate_every: int = 1000
    validation_examples: int = 2048

    def __post_init__(self) -> None:
        check_values(self)
        weighted = self.beta != 1 or self.beta_rate or self.beta_warmup_steps
        if self.samples > 1 and (weighted or self.free_bits or self.free_bits_per_dim or self.mmd):
            raise ConfigError(
                f"samples is {self.samples}: the bound of several draws (IWAE) needs beta 1 from the start, "
                "and no free bits or mmd"
            )
