"""What a model is and how it is trained, as frozen dataclasses; `config.reading` makes them of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from musevae.config.images import ImageConfig as ImageConfig
from musevae.config.images import ImageModelConfig as ImageModelConfig
from musevae.config.images import ImagesConfig as ImagesConfig
from musevae.config.images import ImageTrainConfig as ImageTrainConfig
from musevae.config.optimisation import FORMAT_VERSION as FORMAT_VERSION
from musevae.config.optimisation import Optimisation as Optimisation
from musevae.config.values import ConfigError as ConfigError
from musevae.config.values import check_values
from musevae.config.values import known as known


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
        check_values(self)


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
    independent_segments: bool = False  # of a hierarchical decoder: no event crosses the border between two
    control_size: int = 0  # features of each step that are given to encoder and decoder, as chords are
    dropout: float = 0.0  # of the input of each LSTM layer
    nade_hidden: int = 128  # where the events are bits
    informative_start: bool = False  # see MusicVAE

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(frozen=True)
class TrainConfig(Optimisation):
    """How MusicVAE is trained, on top of what it shares with images; the defaults are Magenta's."""

    steps: int = 200_000
    sampling: str = "teacher_forcing"  # or "inverse_sigmoid" (scheduled sampling) with `sampling_rate`
    sampling_rate: float = 1000.0
    sampling_passes: int = 0  # over all steps at once (Duckworth et al. 2019); 0: exactly, step by step
    transpose: int = 0  # semitones either way, drawn afresh for each example of each batch
    drop_drums: float = 0.0  # probability with which each drum of an example is silenced, drawn likewise


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


AnyConfig: TypeAlias = Config | ImageConfig
