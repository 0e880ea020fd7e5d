"""A model folder on disk: config.json and model.safetensors. Nothing here unpickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from musevae import presets
from musevae.config import (
    Config,
    DrumsConfig,
    GrooveConfig,
    MelodyConfig,
    PerformanceConfig,
    TrioConfig,
    known,
    reading,
)
from musevae.files import replaced
from musevae.models import music_vae
from musevae.models.nade import Nade
from musevae.models.outputs import Categorical, DrumCategorical, Groove, MultiCategorical, Output

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class CheckpointError(ValueError):
    """A folder that is no model, or a damaged or newer one; the message begins with its name."""


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


class MusicVAE(music_vae.MusicVAE):
    """The tensor-level model that knows its config: made from a preset, a model folder or the Hugging Face hub."""

    def __init__(self, config: Config) -> None:
        model: dict[str, Any] = asdict(config.model)
        del model["nade_hidden"]  # the output's
        super().__init__(steps=presets.window_steps(config.representation), output=output(config), **model)
        self.config = config

    @classmethod
    def from_preset(cls, name: str, **model: Any) -> MusicVAE:  # noqa: ANN401 - fields of ModelConfig
        """An untrained model; keywords change fields of its ModelConfig, as in `z_size=128`."""
        config = presets.preset(name)
        for key in model:
            known(key, asdict(config.model))
        return cls(replace(config, model=replace(config.model, **model)))

    @classmethod
    def from_pretrained(cls, name: str | Path, **download: Any) -> MusicVAE:  # noqa: ANN401 - snapshot_download's
        """The model of a folder or, failing that, of a Hugging Face repository of that name (this asks the network)."""
        if not Path(name).is_dir():
            from huggingface_hub import snapshot_download  # slow to import; asked for by name only

            name = snapshot_download(str(name), allow_patterns=[CONFIG, WEIGHTS], **download)
        return load_model(Path(name))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors."""
        save_model(Path(folder), self)

    def push_to_hub(self, repository: str, **upload: Any) -> None:  # noqa: ANN401 - upload_folder's
        """Create the Hugging Face repository where missing and upload the model folder to it."""
        from tempfile import TemporaryDirectory

        from huggingface_hub import HfApi  # slow to import; asked for by name only

        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            HfApi().create_repo(repository, exist_ok=True)
            HfApi().upload_folder(repo_id=repository, folder_path=folder, **upload)


def save_model(folder: Path, vae: MusicVAE, *, half: bool = False) -> None:
    """Write a model folder, each file whole or not at all; `half` stores the weights in 16 bits."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in vae.state_dict().items()}
    if half:
        weights = {name: tensor.half() for name, tensor in weights.items()}
    write_tensors(folder / WEIGHTS, weights)
    write_json(folder / CONFIG, vae.config.to_dict())


def load_model(folder: Path, device: str | torch.device = "cpu") -> MusicVAE:
    """Read a model folder; CheckpointError, naming it, when it is none or damaged."""
    config = load_config(folder)
    try:
        vae = MusicVAE(config)
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from None
    weights, _ = read_tensors(folder / WEIGHTS)
    load_weights(vae, weights, folder)
    return vae.to(device).eval()


def load_weights(vae: torch.nn.Module, weights: Mapping[str, Tensor], origin: Path) -> None:
    """Put weights into a model; CheckpointError when names or shapes differ or a value is not finite."""
    expected = vae.state_dict()
    unlike = [name for name in expected | dict(weights) if name not in weights or name not in expected]
    unlike = unlike or [name for name, tensor in expected.items() if tensor.shape != weights[name].shape]
    if unlike:
        raise CheckpointError(
            f"{origin}: its weights do not fit the model: {unlike[0]} is missing, unknown or of another shape"
        )
    broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"{origin}: {broken[0]} holds values that are not finite: the weights are damaged")
    vae.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in weights.items()})


def load_config(folder: Path) -> Config:
    """The config of a model folder."""
    try:
        return reading.from_dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{folder} is no model folder: it has no {CONFIG}") from None
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from None


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
