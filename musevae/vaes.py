"""The tensor-level models that know their configs: of music and of images, from a preset, a folder or the hub."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch

from musevae import presets
from musevae.checkpoint import (
    CONFIG,
    WEIGHTS,
    CheckpointError,
    check_weights,
    load_config,
    load_weights,
    read_tensors,
    write_json,
    write_tensors,
)
from musevae.config import (
    AnyConfig,
    Config,
    ConfigError,
    DrumsConfig,
    GrooveConfig,
    ImageConfig,
    MelodyConfig,
    PerformanceConfig,
    TrioConfig,
    known,
)
from musevae.models import draw, image_vae, music_vae
from musevae.models.likelihoods import LIKELIHOODS
from musevae.models.nade import Nade
from musevae.models.outputs import Categorical, DrumCategorical, Groove, MultiCategorical, Output

if TYPE_CHECKING:
    from typing_extensions import Self

Kind = TypeVar("Kind", bound=AnyConfig)


def output(config: Config) -> Output:
    """The kind of events that a config's representation gives."""
    match events := config.representation:
        case MelodyConfig():
            return Categorical(presets.pitch_classes(events))
        case DrumsConfig():
            bits = events.drum_classes
            return Nade(bits, config.model.nade_hidden) if events.bits else DrumCategorical(bits)
        case TrioConfig():
            return MultiCategorical([presets.pitch_classes(events)] * 2 + [presets.DRUM_SETS])
        case GrooveConfig():
            return Groove(events.drum_classes)
        case PerformanceConfig():
            return Categorical(events.classes, ends=True)
    raise TypeError(f"{events} is no representation that a model is for")


class Kept:
    """A model that knows its config, and so can be kept in a folder or on the Hugging Face hub."""

    config: AnyConfig

    @classmethod
    def from_pretrained(cls, name: str | Path, **download: Any) -> Self:  # noqa: ANN401 - snapshot_download's
        """The model of a folder or, failing that, of a Hugging Face repository of that name (this asks the network)."""
        if not Path(name).is_dir():
            from huggingface_hub import snapshot_download  # slow to import; asked for by name only

            name = snapshot_download(str(name), allow_patterns=[CONFIG, WEIGHTS], **download)
        vae = load_model(Path(name))
        if not isinstance(vae, cls):
            raise CheckpointError(f"{name} holds a {type(vae).__name__}, not a {cls.__name__}")
        return vae

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors."""
        assert isinstance(self, MusicVAE | ImageVAE | Draw)
        save_model(Path(folder), self)

    def push_to_hub(self, repository: str, **upload: Any) -> None:  # noqa: ANN401 - upload_folder's
        """Create the Hugging Face repository where missing and upload the model folder to it."""
        from tempfile import TemporaryDirectory

        from huggingface_hub import HfApi  # slow to import; asked for by name only

        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            HfApi().create_repo(repository, exist_ok=True)
            HfApi().upload_folder(repo_id=repository, folder_path=folder, **upload)


class MusicVAE(Kept, music_vae.MusicVAE):
    """The tensor-level model of music that knows its config."""

    config: Config

    def __init__(self, config: Config) -> None:
        model: dict[str, Any] = asdict(config.model)
        del model["nade_hidden"]  # the output's
        super().__init__(steps=presets.window_steps(config.representation), output=output(config), **model)
        self.config = config

    @classmethod
    def from_preset(cls, name: str, **model: Any) -> MusicVAE:  # noqa: ANN401 - fields of ModelConfig
        """An untrained model; keywords change fields of its ModelConfig, as in `z_size=128`."""
        return cls(changed(presets.preset(name), model))


class KeptImages(Kept):
    """What the models of images have in common."""

    config: ImageConfig

    @classmethod
    def from_preset(cls, name: str, **model: Any) -> Self:  # noqa: ANN401 - fields of ImageModelConfig
        """An untrained model; keywords change fields of its ImageModelConfig, as in `z_size=2`."""
        vae = build(changed(presets.image_preset(name), model))
        if not isinstance(vae, cls):
            raise ConfigError(f"{name} is a {type(vae).__name__}, not a {cls.__name__}")
        return vae


class ImageVAE(KeptImages, image_vae.ImageVAE):
    """The tensor-level model of images that knows its config."""

    config: ImageConfig

    def __init__(self, config: ImageConfig) -> None:
        model: dict[str, Any] = asdict(config.model)
        model["likelihood"] = LIKELIHOODS[config.model.likelihood]
        for name in ("glimpses", "attention"):  # DRAW's
            del model[name]
        super().__init__(shape=config.images.shape, **model)
        self.config = config


class Draw(KeptImages, draw.Draw):
    """DRAW, that knows its config."""

    config: ImageConfig
    labels = 0

    def __init__(self, config: ImageConfig) -> None:
        model = config.model
        reading_and_writing = None if model.attention is None else (model.attention[0], model.attention[1])
        super().__init__(
            shape=config.images.shape,
            likelihood=LIKELIHOODS[model.likelihood],
            glimpses=model.glimpses,
            z_size=model.z_size,
            hidden_size=model.hidden_size,
            attention=reading_and_writing,
        )
        self.config = config


AnyImageVae: TypeAlias = "ImageVAE | Draw"
AnyVae: TypeAlias = "MusicVAE | AnyImageVae"


def changed(config: Kind, model: dict[str, Any]) -> Kind:
    """A config with other values of its model's."""
    for key in model:
        known(key, asdict(config.model))
    return replace(config, model=replace(config.model, **model))  # type: ignore[arg-type]


def build(config: AnyConfig) -> AnyVae:
    """An untrained model; ValueError where its numbers do not fit together."""
    if isinstance(config, Config):
        return MusicVAE(config)
    return Draw(config) if config.model.network == "draw" else ImageVAE(config)


def save_model(folder: Path, vae: AnyVae, *, half: bool = False) -> None:
    """Write a model folder, each file whole or not at all; `half` stores the weights in 16 bits."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in vae.state_dict().items()}
    if half:
        weights = {name: tensor.half() for name, tensor in weights.items()}
    write_tensors(folder / WEIGHTS, weights)
    write_json(folder / CONFIG, vae.config.to_dict())


def load_model(folder: Path, device: str | torch.device = "cpu") -> AnyVae:
    """Read a model folder; CheckpointError, naming it, when it is none or damaged."""
    config = load_config(folder)
    try:
        with torch.device("meta"):  # shapes only: a config that is damaged may ask for more memory than there is
            vae = build(config)
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from None
    weights, _ = read_tensors(folder / WEIGHTS)
    check_weights(vae.state_dict(), weights, folder)
    load_weights(vae.to_empty(device="cpu"), weights, folder)
    return vae.to(device).eval()
