"""What an image model is and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from musevae.config.optimisation import FORMAT_VERSION, Optimisation
from musevae.config.values import ConfigError, check_values


@dataclass(frozen=True)
class ImagesConfig:
    """Which images a model reads and makes."""

    channels: int = 1  # 1: grey, 3: colour
    height: int = 28
    width: int = 28

    def __post_init__(self) -> None:
        check_values(self)
        if self.channels not in (1, 3):
            raise ConfigError(f"channels is {self.channels}: images are grey, 1, or in colour, 3")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image, (C, H, W)."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class ImageModelConfig:
    """Architecture, see models/image_vae.py and models/draw.py."""

    z_size: int = 20  # of DRAW: of each glimpse
    network: str = "mlp"  # or "conv" or "draw"
    sizes: tuple[int, ...] = (400,)  # hidden layers of an mlp, channels of a conv
    blocks: int = 0  # residual blocks at each level of a conv
    hidden_size: int = 256  # between a conv's levels and z; of DRAW's LSTMs
    activation: str = "relu"
    likelihood: str = "bernoulli"
    labels: int = 0  # of a conditional model: how many there are
    noise: bool = True  # False: the plain autoencoder
    glimpses: int = 10  # of DRAW
    attention: tuple[int, ...] | None = None  # of DRAW: sizes of the grids that read and write

    def __post_init__(self) -> None:
        check_values(self)
        if self.attention is not None and len(self.attention) != 2:
            raise ConfigError(f"attention is {self.attention}: give the size of the reading and of the writing grid")
        if self.network == "draw" and (self.labels or not self.noise):
            raise ConfigError("DRAW takes no labels, and is no plain autoencoder: leave labels and noise as they are")


@dataclass(frozen=True)
class ImageTrainConfig(Optimisation):
    """How an image model is trained."""

    epochs: int = 10
    batch_size: int = 128
    resampled: int = 0  # of the `samples`, so many that gradients go through, chosen by weight; 0: all
    learning_rate_schedule: str = "cosine"
    beta: float = 1.0
    clip_norm: float = 1e4
    skip_norm: float = 1e6
    validation_examples: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.resampled < max(self.samples, 1):
            raise ConfigError(
                f"resampled is {self.resampled}: it must be less than samples, {self.samples}, or 0 for all"
            )


@dataclass(frozen=True)
class ImageConfig:
    """A preset of images, or what a trained image model's config.json says."""

    preset: str
    about: str = ""
    images: ImagesConfig = field(default_factory=ImagesConfig)
    model: ImageModelConfig = field(default_factory=ImageModelConfig)
    train: ImageTrainConfig = field(default_factory=ImageTrainConfig)
    provenance: Mapping[str, Any] = field(default_factory=dict)  # data, licences, steps, seed, held-out figures

    def __post_init__(self) -> None:
        if self.train.samples > 1 and not self.model.noise:
            raise ConfigError(f"a plain autoencoder draws no z: set train.samples to 1, not {self.train.samples}")
        if self.train.resampled and self.model.network == "draw":
            raise ConfigError("DRAW infers and paints at once, for each draw anew: leave train.resampled at 0")

    def to_dict(self) -> dict[str, Any]:
        """The content of config.json."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}
