"""What the numbers and words of a config may be, and the complaint about those that may not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

LARGE = 1 << 16
LIMITS = {  # name -> the least and the most that a number may be
    "bars": (1, 1024),
    "steps_per_quarter": (1, 96),
    "time_signature": (1, 64),
    "drum_classes": (1, 62),
    "melody_programs": (0, 127),
    "bass_programs": (0, 127),
    "gap_bars": (0, 1024),
    "instruments": (1, 1024),
    "events": (1, LARGE),
    "classes": (2, LARGE),
    "control_size": (0, LARGE),
    "nade_hidden": (1, LARGE),
    "dropout": (0, 0.99),
    "z_size": (1, LARGE),
    "encoder_sizes": (1, LARGE),
    "decoder_sizes": (1, LARGE),
    "conductor_sizes": (1, LARGE),
    "segments": (1, LARGE),
    "channels": (1, 4),
    "height": (1, 1024),
    "width": (1, 1024),
    "labels": (0, LARGE),
    "sizes": (1, LARGE),
    "blocks": (0, 64),
    "hidden_size": (1, LARGE),
    "glimpses": (1, 1024),
    "attention": (1, 1024),
    "steps": (0, 1 << 40),
    "epochs": (0, 1 << 20),
    "samples": (1, 1 << 16),
    "mmd": (0, 1e9),
    "batch_size": (1, 1 << 24),
    "learning_rate": (0, 1e3),
    "learning_rate_decay": (0, 1),
    "min_learning_rate": (0, 1e3),
    "warmup_steps": (0, 1 << 40),
    "beta": (0, 1e6),
    "beta_rate": (0, 1),
    "beta_warmup_steps": (0, 1 << 40),
    "free_bits": (0, 1e9),
    "free_bits_per_dim": (0, 1e9),
    "sampling_rate": (1, 1e12),
    "sampling_passes": (0, 1 << 16),
    "transpose": (0, 127),
    "drop_drums": (0, 0.99),
    "clip_norm": (0, 1e30),
    "skip_norm": (0, 1e30),
    "log_every": (1, 1 << 40),
    "validate_every": (1, 1 << 40),
    "validation_examples": (0, 1 << 40),
}

CHOICES = {  # name -> what a word of a model's or a training's config may be
    "encoder": ("bidirectional", "hierarchical", "none"),
    "decoder": ("flat", "hierarchical"),
    "learning_rate_schedule": ("exponential", "cosine"),
    "sampling": ("teacher_forcing", "inverse_sigmoid"),
    "network": ("mlp", "conv", "draw"),
    "activation": ("relu", "tanh", "silu"),
    "likelihood": ("bernoulli", "gaussian", "logistic"),
}


class ConfigError(ValueError):
    """A key that does not exist, or a value that cannot be."""


def known(name: str, names: Iterable[str], prefix: str = "") -> str:
    """`name`, if it is one of `names`; else ConfigError with the nearest of them."""
    names = list(names)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(prefix + n for n in names)}"
    raise ConfigError(f"{prefix}{name} is unknown: {hint}")


def check_values(section: Any) -> None:  # noqa: ANN401 - a section of a config
    """ConfigError where a word is none of its CHOICES, a number outside its LIMITS, a tuple empty."""
    for name in CHOICES.keys() & vars(section).keys():
        known(getattr(section, name), CHOICES[name], f"{name} ")
    for name in LIMITS.keys() & vars(section).keys():
        value, (least, most) = getattr(section, name), LIMITS[name]
        numbers = value if isinstance(value, tuple) else () if value is None else (value,)
        if value == () or not all(least <= number <= most for number in numbers):
            raise ConfigError(f"{name} cannot be {value!r}: it must lie in {least:g}..{most:g}")
