"""A run from its first step to its last: which config it follows, and whether its folder may be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from musevae import checkpoint, presets
from musevae.checkpoint import CheckpointError
from musevae.config import AnyConfig, Config
from musevae.config.reading import override
from musevae.training import states
from musevae.training.distributed import World, joined, own_device
from musevae.training.image_task import Images, ImageTask
from musevae.training.music_task import MusicTask
from musevae.training.run_log import LOG
from musevae.training.states import LAST
from musevae.training.task import Task
from musevae.training.trainer import Progress, Trainer, TrainResult


def train(
    preset: str | AnyConfig,
    data: str | Images,
    run: str | Path,
    *,
    steps: int | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    init_from: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    profile: bool = False,
) -> TrainResult:
    """Train a preset (or a config) on a folder of data; the run folder is a model folder, best by validation so far.

    The data are a dataset folder for music, and for images what `read_images` reads, or gives. `settings` change the
    preset ("train.beta=0.1"). The schedules are laid out over `train.steps`, or `train.epochs` of images; `steps` stops
    sooner, or lays those of music out longer. `init_from` is a model folder to start from (fine-tuning); `resume`
    continues the run, with its own settings and seed, exactly as it would have gone on, but for `settings` given anew.
    `profile` writes a trace of some steps after the first into the run folder. Raises ConfigError, DatasetError,
    ImageDataError, CheckpointError or ValueError for what cannot be trained, DivergedError when the loss or its
    gradient is no number or beyond all measure. Each process that torchrun starts calls this, and the first writes for
    all; LostProcessError when another of them ends.
    """
    run, chosen = Path(run), own_device(device)
    with joined(chosen) as world:
        config, seed = world.shared((_config(preset, run, steps, settings, resume, init_from, world), seed))
        config = replace(config, provenance={**config.provenance, **(provenance or {})})
        trainer = Trainer(task(config, Path(data) if isinstance(data, str) else data, chosen), run, seed, chosen, world)
        if resume:
            trainer.restore(world.shared(states.read(run) if world.first else None))
        elif init_from is not None:
            trainer.initialise(Path(init_from))
        else:
            trainer.task.begin(trainer.vae)
        return trainer.fit(trainer.task.steps if steps is None else steps, progress, profile=profile)


def task(config: AnyConfig, data: Images, device: torch.device) -> Task:
    """What a config learns from a folder, or from images at hand."""
    if not isinstance(config, Config):
        return ImageTask(config, data, device)
    if not isinstance(data, Path):
        raise ValueError(f"{config.preset} is trained on a folder that `musevae prepare` has written: name one")
    return MusicTask(config, data, device)


def _config(
    preset: str | AnyConfig,
    run: Path,
    steps: int | None,
    settings: Sequence[str],
    resume: bool,
    init_from: str | Path | None,
    world: World,
) -> AnyConfig:
    """The config to train with, once it is clear that this run folder may be written; the first process's counts."""
    config = named(preset) if isinstance(preset, str) else preset
    if not world.first:
        return config
    if resume and init_from is not None:
        raise ValueError("a run is either resumed or started from another model: leave out --resume or --init-from")
    if not resume and states.exists(run):
        raise CheckpointError(f"{run} already holds a run: --resume continues it, or choose another folder")
    if (run / checkpoint.WEIGHTS).exists() and not (run / LOG).exists():
        raise CheckpointError(f"{run} holds a model that is no run's: choose another folder")
    config = resumed(run, config.preset) if resume else config
    config = override(config, settings)
    world.check(config.train.batch_size)
    if config.train.mmd and world.size > 1:
        raise ValueError(f"train.mmd is of a whole batch, of which {world.size} processes would have parts: use one")
    if isinstance(config, Config) and steps is not None and steps > config.train.steps:
        config = replace(config, train=replace(config.train, steps=steps))
    return config


def planned(preset: str, run: Path, settings: Sequence[str] = (), *, resume: bool = False) -> AnyConfig:
    """The config that `train` will follow, but for its `steps`."""
    return override(resumed(run, preset) if resume else named(preset), settings)


def named(preset: str) -> AnyConfig:
    """The preset of that name, of music or of images."""
    return presets.image_preset(preset) if preset in presets.IMAGE_PRESETS else presets.preset(preset)


def resumed(run: Path, preset: str) -> AnyConfig:
    """The config with which a run of that preset was going on; CheckpointError where there is none."""
    if not states.exists(run):
        raise CheckpointError(f"{run} holds no run to resume: it has no {LAST}")
    config = checkpoint.load_config((run / LAST).parent)
    if config.preset != preset:
        raise CheckpointError(f"{run} is a run of {config.preset}, not of {preset}: name that preset to resume it")
    return config
