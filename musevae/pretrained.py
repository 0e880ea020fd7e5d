"""Finding models: bundled by name, or in a folder, be it a model's or a run's."""

from __future__ import annotations

import difflib
from pathlib import Path

import torch

from musevae.checkpoint import CONFIG, WEIGHTS, CheckpointError, load_config, load_model
from musevae.config import Config
from musevae.presets import PRESETS
from musevae.trained_model import TrainedModel

BUNDLED = Path(__file__).parent / "weights"
DEFAULT = "melody-2bar"


def load(name: str | Path = DEFAULT, device: str | torch.device = "cpu") -> TrainedModel:
    """The model of a folder (an existing path wins) or the bundled one of that name; CheckpointError for neither."""
    folder = locate(name)
    return TrainedModel(load_model(folder, device), folder.resolve().name)


def list_models() -> dict[str, Config]:
    """The bundled models by name, with their configs."""
    return {config.parent.name: load_config(config.parent) for config in sorted(BUNDLED.glob(f"*/{CONFIG}"))}


def locate(name: str | Path) -> Path:
    """The folder of a model; CheckpointError, suggesting the nearest name, where there is none."""
    if Path(name).exists():
        return Path(name)
    if (BUNDLED / str(name) / WEIGHTS).exists():
        return BUNDLED / str(name)
    if str(name) in PRESETS:
        raise CheckpointError(
            f"no weights of {name} are bundled (only {_bundled_names()}): train it with `musevae train {name} "
            "--data DATASET --run RUN` and give the run's folder"
        )
    near = difflib.get_close_matches(str(name), list_models(), n=1, cutoff=0.5)
    raise CheckpointError(
        f"{name} is neither a folder nor a bundled model: " + (f"did you mean {near[0]}?" if near else _bundled_names())
    )


def _bundled_names() -> str:
    return ", ".join(list_models()) or "none"
