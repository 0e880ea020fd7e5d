"""Finding models: bundled by name, or in a folder, be it a model's or a run's."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, overload

import torch

from musevae.checkpoint import CONFIG, WEIGHTS, CheckpointError, load_config
from musevae.config import AnyConfig
from musevae.presets import IMAGE_PRESETS, PRESETS
from musevae.trained_image_model import TrainedImageModel
from musevae.trained_model import TrainedModel
from musevae.vaes import MusicVAE, load_model

BUNDLED = Path(__file__).parent / "weights"
DEFAULT = "melody-2bar"


@overload
def load(name: Literal["melody-2bar", "drums-2bar"] = ..., device: str | torch.device = "cpu") -> TrainedModel: ...
@overload
def load(name: Literal["mnist-mlp"], device: str | torch.device = "cpu") -> TrainedImageModel: ...
@overload
def load(name: str | Path, device: str | torch.device = "cpu") -> Any: ...  # noqa: ANN401 - what the folder holds
def load(name: str | Path = DEFAULT, device: str | torch.device = "cpu") -> TrainedModel | TrainedImageModel:
    """The model of a folder (an existing path wins) or the bundled one of that name; CheckpointError for neither.

    It is a TrainedImageModel where it was trained on images.
    """
    folder = locate(name)
    vae, kept_as = load_model(folder, device), folder.resolve().name
    return TrainedModel(vae, kept_as) if isinstance(vae, MusicVAE) else TrainedImageModel(vae, kept_as)


def load_music(name: str | Path = DEFAULT, device: str | torch.device = "cpu") -> TrainedModel:
    """`load` a model of music; CheckpointError for one of images."""
    model = load(name, device)
    if not isinstance(model, TrainedModel):
        raise CheckpointError(f"{name} is a model of images: use `musevae image`")
    return model


def load_images(name: str | Path, device: str | torch.device = "cpu") -> TrainedImageModel:
    """`load` a model of images; CheckpointError for one of music."""
    model = load(name, device)
    if not isinstance(model, TrainedImageModel):
        raise CheckpointError(f"{name} is a model of music: use `musevae` without `image`")
    return model


def list_models() -> dict[str, AnyConfig]:
    """The bundled models by name, with their configs."""
    return {config.parent.name: load_config(config.parent) for config in sorted(BUNDLED.glob(f"*/{CONFIG}"))}


def locate(name: str | Path) -> Path:
    """The folder of a model; CheckpointError, suggesting the nearest name, where there is none."""
    if Path(name).exists():
        return Path(name)
    if (BUNDLED / str(name) / WEIGHTS).exists():
        return BUNDLED / str(name)
    if str(name) in {*PRESETS, *IMAGE_PRESETS}:
        command = "image train" if str(name) in IMAGE_PRESETS else "train"
        raise CheckpointError(
            f"no weights of {name} are bundled (only {_bundled_names()}): train it with `musevae {command} {name} "
            "--data DATASET --run RUN` and give the run's folder"
        )
    near = difflib.get_close_matches(str(name), list_models(), n=1, cutoff=0.5)
    raise CheckpointError(
        f"{name} is neither a folder nor a bundled model: " + (f"did you mean {near[0]}?" if near else _bundled_names())
    )


def _bundled_names() -> str:
    return ", ".join(list_models()) or "none"
