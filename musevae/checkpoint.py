"""The files of a model folder: config.json and model.safetensors. Nothing here unpickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from musevae.config import AnyConfig, Config, reading
from musevae.files import replaced

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class CheckpointError(ValueError):
    """A folder that is no model, or a damaged or newer one; the message begins with its name."""


def load_weights(vae: torch.nn.Module, weights: Mapping[str, Tensor], origin: Path) -> None:
    """Put weights into a model; CheckpointError when names or shapes differ or a value is not finite."""
    expected = vae.state_dict()
    check_weights(expected, weights, origin)
    broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"{origin}: {broken[0]} holds values that are not finite: the weights are damaged")
    vae.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in weights.items()})


def check_weights(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], origin: Path) -> None:
    """CheckpointError where weights have not the names and shapes of those that a model has."""
    unlike = [name for name in {**expected, **weights} if name not in weights or name not in expected]
    unlike = unlike or [name for name, tensor in expected.items() if tensor.shape != weights[name].shape]
    if unlike:
        raise CheckpointError(
            f"{origin}: its weights do not fit the model: {unlike[0]} is missing, unknown or of another shape"
        )


def load_config(folder: Path) -> AnyConfig:
    """The config of a model folder, be it of music or of images."""
    try:
        return reading.from_dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{folder} is no model folder: it has no {CONFIG}") from None
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from None


def load_music_config(folder: Path) -> Config:
    """`load_config`, of music; CheckpointError for a model of images."""
    config = load_config(folder)
    if not isinstance(config, Config):
        raise CheckpointError(f"{folder} is a model of images, not of music")
    return config


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, whole or not at all."""
    with replaced(path) as file:
        file.write(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all."""
    with replaced(path) as file:
        file.write(save_tensors(dict(tensors), dict(metadata or {})))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file."""
    try:
        data = path.read_bytes()
        return load_tensors(data), _metadata(data)
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} is no model folder: it has no {path.name}") from None
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error})") from None


def _metadata(data: bytes) -> dict[str, str]:
    """The `__metadata__` of a safetensors file: its first 8 bytes give the length of the JSON header that follows."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length]).get("__metadata__", {}))
