"""What a model is and how it is trained, as frozen dataclasses; `config.reading` makes them of text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT_VERSION = 1
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
    "steps": (0, 1 << 40),
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
}


class ConfigError(ValueError):
    """A key that does not exist, or a value that cannot be."""


@dataclass(frozen=True)
class RepresentationConfig:
    """Which events a model reads and writes; the kinds of them are below, by name."""

    name: str
    bars: int = 2
    steps_per_quarter: int = 4
    time_signature: tuple[int, ...] = (4, 4)

    def __post_init__(self) -> None:
        if type(self) is not KINDS[known(self.name, KINDS, "representation ")]:
            raise ConfigError(f"representation.name cannot be changed to {self.name!r}: choose a preset of that kind")
        _check_values(self)


@dataclass(frozen=True)
class MelodyConfig(RepresentationConfig):
    """One note at a time, see music/melody.py."""

    name: str = "melody"
    min_pitch: int = 21
    max_pitch: int = 108
    max_chord_share: float = 0.1


@dataclass(frozen=True)
class DrumsConfig(RepresentationConfig):
    """Sets of drums, as one class or as bits, see music/drums.py."""

    name: str = "drums"
    drum_classes: int = 9
    bits: bool = False


@dataclass(frozen=True)
class TrioConfig(RepresentationConfig):
    """Melody, bass and drums, see music/trio.py."""

    name: str = "trio"
    bars: int = 16
    min_pitch: int = 21
    max_pitch: int = 108
    melody_programs: tuple[int, ...] = (0, 31)
    bass_programs: tuple[int, ...] = (32, 39)
    gap_bars: int = 2


@dataclass(frozen=True)
class GrooveConfig(RepresentationConfig):
    """Hits, velocities and offsets of drums (Gillick et al. 2019): tensors only, their music is not read yet."""

    name: str = "groove"
    drum_classes: int = 9


@dataclass(frozen=True)
class PerformanceConfig(RepresentationConfig):
    """One bar of several instruments, each a segment of performance events (Simon et al. 2018): tensors only.

    The last of `classes` ends an instrument, and `classes` itself fills its segment up.
    """

    name: str = "performance"
    bars: int = 1
    steps_per_quarter: int = 24
    instruments: int = 8
    events: int = 64  # of each instrument
    classes: int = 490


KINDS: dict[str, type[RepresentationConfig]] = {
    "melody": MelodyConfig,
    "drums": DrumsConfig,
    "trio": TrioConfig,
    "groove": GrooveConfig,
    "performance": PerformanceConfig,
}


@dataclass(frozen=True)
class ModelConfig:
    """Architecture (Roberts et al. 2018, section 3); `segments` is the conductor's number of steps."""

    z_size: int = 256
    encoder: str = "bidirectional"  # or "hierarchical", or "none" for a model that decodes only
    encoder_sizes: tuple[int, ...] = (512,)
    decoder: str = "flat"  # or "hierarchical"
    decoder_sizes: tuple[int, ...] = (256, 256)
    conductor_sizes: tuple[int, ...] | None = None  # the decoder's where None
    segments: int | None = None
    control_size: int = 0  # features of each step that are given to encoder and decoder, as chords are
    dropout: float = 0.0  # of the input of each LSTM layer
    nade_hidden: int = 128  # where the events are bits
    informative_start: bool = False  # see MusicVAE

    def __post_init__(self) -> None:
        _check_values(self)


@dataclass(frozen=True)
class TrainConfig:
    """Loss, schedules and optimiser; the defaults are Magenta's."""

    steps: int = 200_000
    batch_size: int = 512
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "exponential"  # or "cosine", over `steps`
    learning_rate_decay: float = 0.9999  # exponential: per step
    min_learning_rate: float = 1e-5
    warmup_steps: int = 0  # linear, of the learning rate
    beta: float = 0.2  # weight of the KL in the end
    beta_rate: float = 0.0  # beta * (1 - rate ** step)
    beta_warmup_steps: int = 0  # linear, on top
    free_bits: float = 0.0  # bits of KL per example that cost nothing
    free_bits_per_dim: float = 0.0  # bits per latent dimension
    sampling: str = "teacher_forcing"  # or "inverse_sigmoid" (scheduled sampling) with `sampling_rate`
    sampling_rate: float = 1000.0
    transpose: int = 0  # semitones either way, drawn afresh for each example of each batch
    drop_drums: float = 0.0  # probability with which each drum of an example is silenced, drawn likewise
    clip_norm: float = 1.0
    skip_norm: float = 1e4  # a step with a larger gradient norm changes nothing
    log_every: int = 50
    validate_every: int = 1000
    validation_examples: int = 2048

    def __post_init__(self) -> None:
        _check_values(self)


@dataclass(frozen=True)
class Config:
    """A preset, or what a trained model's config.json says."""

    preset: str
    about: str = ""
    representation: RepresentationConfig = field(default_factory=MelodyConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    provenance: Mapping[str, Any] = field(default_factory=dict)  # data, licences, steps, seed, held-out figures

    def to_dict(self) -> dict[str, Any]:
        """The content of config.json."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


def known(name: str, names: Iterable[str], prefix: str = "") -> str:
    """`name`, if it is one of `names`; else ConfigError with the nearest of them."""
    names = list(names)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(prefix + n for n in names)}"
    raise ConfigError(f"{prefix}{name} is unknown: {hint}")


def _check_values(section: RepresentationConfig | ModelConfig | TrainConfig) -> None:
    """ConfigError where a word is none of its CHOICES, a number outside its LIMITS, a tuple empty."""
    for name in CHOICES.keys() & vars(section).keys():
        known(getattr(section, name), CHOICES[name], f"{name} ")
    for name in LIMITS.keys() & vars(section).keys():
        value, (least, most) = getattr(section, name), LIMITS[name]
        numbers = value if isinstance(value, tuple) else () if value is None else (value,)
        if value == () or not all(least <= number <= most for number in numbers):
            raise ConfigError(f"{name} cannot be {value!r}: it must lie in {least:g}..{most:g}")
