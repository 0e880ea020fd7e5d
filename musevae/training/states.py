"""What a run resumes from: its last state on disk, and the one before should the last be damaged."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from musevae import checkpoint
from musevae.checkpoint import CheckpointError
from musevae.vaes import AnyVae

LAST = Path("last", "state.safetensors")
PREVIOUS = LAST.with_name("previous.safetensors")
NEXT = LAST.with_name("next.safetensors")  # there only between its writing and the renaming of all three
NEWEST_FIRST = (NEXT, LAST, PREVIOUS)
DIGEST = "sha256"  # of metadata and tensors, in the metadata; states of musevae 0.1 have none
MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """A state as it was read."""

    path: Path
    tensors: Mapping[str, Tensor]  # "model.NAME", "exp_avg.NAME" and "exp_avg_sq.NAME"
    metadata: Mapping[str, str]  # counters

    @property
    def step(self) -> int:
        """The steps taken before it."""
        return int(self.metadata["step"])


def exists(run: Path) -> bool:
    """Whether the run folder has a state, whole or not."""
    return any((run / name).exists() for name in NEWEST_FIRST)


def write(run: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a state; killed at any moment, the folder still has a whole one, this or that before."""
    checkpoint.write_tensors(run / NEXT, tensors, {**metadata, DIGEST: digest(tensors, metadata)})
    if (run / LAST).exists():
        os.replace(run / LAST, run / PREVIOUS)  # noqa: PTH105 - as in files.py
    os.replace(run / NEXT, run / LAST)  # noqa: PTH105


def read(run: Path) -> State:
    """The newest state that is whole, with a warning where that is not the newest; CheckpointError without any."""
    damage: list[CheckpointError] = []
    for path in [run / name for name in NEWEST_FIRST if (run / name).exists()]:
        try:
            state = _whole(path)
        except CheckpointError as error:
            damage.append(error)
            continue
        if damage:
            logger.warning("%s: going on from %s, step %s, instead", damage[0], path.name, state.metadata.get("step"))
        return state
    raise damage[0] if damage else CheckpointError(f"{run} holds no run to resume: it has no {LAST}")


def sweep(run: Path) -> None:
    """Take away what a killed process was writing."""
    for folder in (run, (run / LAST).parent):
        for unfinished in folder.glob(".*.part"):
            unfinished.unlink(missing_ok=True)


def digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of a state."""
    found = hashlib.sha256(repr(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        found.update(name.encode())
        values = np.atleast_1d(tensors[name].detach().cpu().contiguous().numpy())
        found.update(values.data)
    return found.hexdigest()


def _whole(path: Path) -> State:
    """The state of a file; CheckpointError where a byte has changed."""
    tensors, metadata = checkpoint.read_tensors(path)
    expected = metadata.pop(DIGEST, None)
    if expected is not None and digest(tensors, metadata) != expected:
        raise CheckpointError(f"{path} is damaged (its {DIGEST} has changed)")
    return State(path, tensors, metadata)


def pack(vae: AnyVae, optimizer: Optimizer) -> dict[str, Tensor]:
    """The tensors of a state."""
    tensors = {f"model.{name}": tensor.detach().contiguous() for name, tensor in vae.state_dict().items()}
    for name, parameter in vae.named_parameters():
        moments = optimizer.state.get(parameter, {})
        if moments.get("step"):  # else Adam has left out every step so far
            tensors |= {f"{key}.{name}": moments[key] for key in MOMENTS}
    return tensors


def unpack(state: State, vae: AnyVae, optimizer: Optimizer, updates: int) -> None:
    """Put the tensors of a state back; `updates` are the steps that Adam took, 0: it has no moments yet."""
    model = {name.removeprefix("model."): t for name, t in state.tensors.items() if name.startswith("model.")}
    checkpoint.load_weights(vae, model, state.path)
    for name, parameter in vae.named_parameters():
        if not updates or not parameter.requires_grad:
            continue
        moments = {key: state.tensors[f"{key}.{name}"].to(parameter.device) for key in MOMENTS}
        if any(moment.shape != parameter.shape for moment in moments.values()):
            raise ValueError(f"the moments of {name} have another shape")
        optimizer.state[parameter] = {"step": torch.tensor(float(updates), device=parameter.device), **moments}
