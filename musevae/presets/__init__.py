"""Named presets. Ours (lower case with hyphens) are the recipes that measured best; Magenta's carry Magenta's names."""

from __future__ import annotations

from dataclasses import asdict

from musevae.config import (
    Config,
    ConfigError,
    ImageConfig,
    MelodyConfig,
    PerformanceConfig,
    RepresentationConfig,
    TrioConfig,
    known,
)
from musevae.config.reading import override
from musevae.music import grid
from musevae.music.drums import REDUCED, DrumsRepresentation
from musevae.music.melody import MelodyRepresentation
from musevae.music.representation import Representation
from musevae.music.trio import TrioRepresentation
from musevae.presets.images import IMAGES
from musevae.presets.magenta import MAGENTA
from musevae.presets.ours import OURS

PRESETS = {config.preset: config for config in (*OURS, *MAGENTA)}
IMAGE_PRESETS = {config.preset: config for config in IMAGES}
DRUM_SETS = 1 << len(REDUCED)  # of the nine classes of drums: a trio's third part
REPRESENTATIONS = {"melody": MelodyRepresentation, "drums": DrumsRepresentation, "trio": TrioRepresentation}


def preset(name: str, settings: tuple[str, ...] | list[str] = ()) -> Config:
    """The preset of that name, changed by `settings` ("model.z_size=128"); ConfigError suggests the nearest name."""
    if name in IMAGE_PRESETS:
        raise ConfigError(f"{name} is a preset of images: use `musevae image`")
    return override(PRESETS[known(name, PRESETS)], settings)


def image_preset(name: str, settings: tuple[str, ...] | list[str] = ()) -> ImageConfig:
    """`preset`, of images."""
    if name in PRESETS:
        raise ConfigError(f"{name} is a preset of music: use `musevae` without `image`")
    return override(IMAGE_PRESETS[known(name, IMAGE_PRESETS)], settings)


def representation(config: RepresentationConfig) -> Representation:
    """The representation that a config describes; ValueError where its numbers do not fit together."""
    if config.name not in REPRESENTATIONS:
        raise ConfigError(f"{config.name} events are no music yet: `model.vae` takes and gives them as tensors")
    parameters = {key: value for key, value in asdict(config).items() if key != "name"}
    made: Representation = REPRESENTATIONS[config.name](**parameters)
    return made


def music(config: Config) -> Representation:
    """The representation of a model that reads and writes music; ConfigError for one that takes tensors only so far."""
    if config.model.control_size:
        raise ConfigError(f"{config.preset} is given a control at each step: `model.vae` takes it as a tensor")
    return representation(config.representation)


def pitch_classes(config: MelodyConfig | TrioConfig) -> int:
    """Classes of a melody's events: those of a trio's first two columns, too."""
    return MelodyRepresentation(min_pitch=config.min_pitch, max_pitch=config.max_pitch).classes


def window_steps(config: RepresentationConfig) -> int:
    """Steps in a window, T; ValueError where a bar is no whole number of steps."""
    if isinstance(config, PerformanceConfig):
        return config.instruments * config.events
    numerator, denominator = config.time_signature
    return config.bars * grid.steps_per_bar((numerator, denominator), config.steps_per_quarter)
