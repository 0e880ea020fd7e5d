"""The training loop: batches from the device, the ELBO, Adam; a run folder that can always be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import torch
from torch import Generator, Tensor

from musevae import checkpoint, presets
from musevae.checkpoint import CheckpointError, MusicVAE
from musevae.config import Config
from musevae.config.reading import override
from musevae.music.shards import read_manifest
from musevae.training import divergence, exhibition, schedules, states
from musevae.training.datasets import (
    Batches,
    check_representation,
    drop_drums,
    open_dataset,
    seeded,
    sources,
    spread,
    trainable,
    transpose,
)
from musevae.training.distributed import Draws, World, joined, own_device
from musevae.training.divergence import DivergedError as DivergedError
from musevae.training.interruption import stop_requested
from musevae.training.profiling import Profiler
from musevae.training.run_log import LOG, Averages, RunLog
from musevae.training.states import LAST

VALIDATION_SEED = 1
VALIDATION_BATCH = 512

Progress = Callable[[Mapping[str, float], int], None]  # the figures of a log line, the steps that there will be


@dataclass(frozen=True)
class TrainResult:
    """Where a run stands when `train` returns."""

    run: Path
    step: int
    seed: int  # what the run was started with
    validation_loss: float | None  # nats, the best so far, model.safetensors'; None: nothing to validate on
    finished: bool  # False: stopped by Ctrl-C or SIGTERM, after a checkpoint
    profile: str = ""  # a table of where the time went, where it was asked for


def train(
    preset: str | Config,
    data: str | Path,
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
    """Train a preset (or a Config) on a dataset folder; the run folder is a model folder, best by validation so far.

    `settings` change the preset ("train.beta=0.1"). The schedules are laid out over `train.steps`; `steps` stops
    sooner, or lays them out longer. `init_from` is a model folder to start from (fine-tuning); `resume` continues the
    run, with its own settings and seed, exactly as it would have gone on, but for `settings` given anew. `profile`
    writes a trace of some steps after the first into the run folder. Raises
    ConfigError, DatasetError, CheckpointError or ValueError for what cannot be trained, DivergedError when the loss or
    its gradient is no number or beyond all measure. Each process that torchrun starts calls this, and the first one
    writes for all; LostProcessError when another of them ends.
    """
    run, chosen = Path(run), own_device(device)
    with joined(chosen) as world:
        config, seed = world.shared((_config(preset, run, steps, settings, resume, init_from, world), seed))
        trainer = Trainer(config, Path(data), run, seed, chosen, provenance or {}, world)
        if resume:
            trainer.restore(world.shared(states.read(run) if world.first else None))
        elif init_from is not None:
            trainer.initialise(Path(init_from))
        return trainer.fit(config.train.steps if steps is None else steps, progress, profile=profile)


def _config(
    preset: str | Config,
    run: Path,
    steps: int | None,
    settings: Sequence[str],
    resume: bool,
    init_from: str | Path | None,
    world: World,
) -> Config:
    """The config to train with, once it is clear that this run folder may be written; the first process's counts."""
    config = presets.preset(preset) if isinstance(preset, str) else preset
    if not world.first:
        return config
    if resume and init_from is not None:
        raise ValueError("a run is either resumed or started from another model: leave out --resume or --init-from")
    if not resume and states.exists(run):
        raise CheckpointError(f"{run} already holds a run: --resume continues it, or choose another folder")
    if (run / checkpoint.WEIGHTS).exists() and not (run / LOG).exists():
        raise CheckpointError(f"{run} holds a model that is no run's: choose another folder")
    config = override(resumed(run, config.preset) if resume else config, settings)
    world.check(config.train.batch_size)
    if steps is not None and steps > config.train.steps:
        config = replace(config, train=replace(config.train, steps=steps))
    return config


def resumed(run: Path, preset: str) -> Config:
    """The config with which a run of that preset was going on; CheckpointError where there is none."""
    if not states.exists(run):
        raise CheckpointError(f"{run} holds no run to resume: it has no {LAST}")
    config = checkpoint.load_config((run / LAST).parent)
    if config.preset != preset:
        raise CheckpointError(f"{run} is a run of {config.preset}, not of {preset}: name that preset to resume it")
    return config


class Trainer:
    """One run: the model, its optimiser, and the step it has come to."""

    def __init__(
        self,
        config: Config,
        data: Path,
        run: Path,
        seed: int,
        device: torch.device,
        provenance: Mapping[str, Any],
        world: World,
    ) -> None:
        self.run, self.seed, self.device, self.world = run, seed, device, world
        self.representation = trainable(config)
        check_representation(config, data)
        splits = open_dataset(data)
        torch.manual_seed(seed)
        self.config = replace(
            config, provenance={**config.provenance, **provenance, "data": sources(data), "seed": seed}
        )
        self.vae = MusicVAE(self.config).to(device)
        self.model: torch.nn.Module = self.vae  # while training, what averages gradients over the processes
        self.parameters = [parameter for parameter in self.vae.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.train.learning_rate)
        self.batches = Batches(splits["train"].events.to(device), config.train.batch_size, seed)
        self.validation = spread(splits["validation"].events, config.train.validation_examples).to(device)
        self.held_out = sorted(read_manifest(data)["shards"]["validation"].values())
        self.step, self.best, self.skipped, self.skipped_in_a_row = 0, math.inf, 0, 0
        self.saved: int | None = None  # the step of the last checkpoint
        self.log = RunLog(run)

    def fit(self, steps: int, progress: Progress | None = None, *, profile: bool = False) -> TrainResult:
        """Train up to step `steps`, or until asked to stop; the state at the end is on disk."""
        self.model = self.world.replicated(self.vae)
        profiler = Profiler(self.run, self.device, steps - self.step) if profile and self.world.first else None
        if self.world.first:
            self.log.open()
            states.sweep(self.run)
        try:
            with stop_requested(second_kills=self.world.size == 1) as stop, profiler or nullcontext():
                self._loop(steps, stop, progress, profiler)
            self._checkpoint()
        finally:
            self.log.close()
            self.model = self.vae
        best = self.world.shared(self.best) if len(self.validation) else None
        return TrainResult(self.run, self.step, self.seed, best, self.step >= steps, profiler.table if profiler else "")

    def _loop(self, steps: int, stop: Event, progress: Progress | None, profiler: Profiler | None) -> None:
        sums, since = Averages(), time.perf_counter()
        while self.step < steps and not self.world.any(stop.is_set(), self.device):
            sums.add(self._update(self.batches[self.step]))
            self.step += 1
            if self.step % self.config.train.log_every == 0 or self.step == steps:
                figures = self._figures(sums, time.perf_counter() - since)
                self._write({"kind": "train", **figures})
                if progress and self.world.first:
                    progress(figures, steps)
                sums, since = Averages(), time.perf_counter()
            if self.step % self.config.train.validate_every == 0 and self.step < steps:
                self._checkpoint()
            if profiler:
                profiler.step()

    def initialise(self, folder: Path) -> None:
        """Start from the weights of another model of the same architecture."""
        weights, _ = checkpoint.read_tensors(folder / checkpoint.WEIGHTS)
        checkpoint.load_weights(self.vae, weights, folder)
        self.config = replace(self.config, provenance={**self.config.provenance, "init_from": folder.name})

    def restore(self, state: states.State | None) -> None:
        """Go back to a checkpoint."""
        assert state is not None
        try:
            self.step = self.saved = state.step
            if state.metadata["objective"] == self._objective:  # else the best so far is no measure for this run
                self.best = float(state.metadata["best"])
            self.skipped, self.seed = int(state.metadata["skipped"]), int(state.metadata["seed"])
            states.unpack(state, self.vae, self.optimizer, int(state.metadata["updates"]))
        except KeyError as error:
            raise CheckpointError(f"{state.path} is damaged: it has no {error}") from None
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{state.path} is damaged: {error}") from None
        self.batches.seed = self.seed
        self.config = replace(self.config, provenance={**self.config.provenance, "seed": self.seed})
        if self.world.first:
            self.log.rewind(self.step)

    def _update(self, events: Tensor) -> dict[str, Tensor]:
        """One step of Adam on the whole batch's events (B, T, ...); the figures stay on the device."""
        config, step = self.config.train, self.step
        draw = seeded(self.device, self.seed, 1, step)
        if config.transpose:
            events = transpose(events, config.transpose, self.representation, draw)
        if config.drop_drums:
            events = drop_drums(events, config.drop_drums, draw)
        with self._precision(), self._draws(draw):
            probability = schedules.sampling_probability(config, step)
            elbo = self.model(self.world.rows(events), generator=draw, sampling_probability=probability)
        loss = elbo.loss(schedules.beta(config, step), config.free_bits, config.free_bits_per_dim).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, config.clip_norm)
        means = {"loss": loss, "reconstruction": elbo.reconstruction.mean(), "kl": elbo.kl.mean()}
        figures = {**self.world.average(means), "gradient_norm": norm}
        self._apply(norm, figures["loss"])
        return {name: value.detach() for name, value in figures.items()}

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    def _draws(self, draw: Generator) -> AbstractContextManager[Any]:
        """What makes the random numbers of a step depend on `draw` alone, however many processes share it."""
        needed = self.world.size > 1 or self.config.model.dropout
        return Draws(draw, self.world) if needed else nullcontext()

    def _apply(self, norm: Tensor, loss: Tensor) -> None:
        """Step the optimiser, unless the gradient is too large to be trusted."""
        size, value = torch.stack([norm.detach(), loss.detach().to(norm.dtype)]).tolist()
        skip = size >= self.config.train.skip_norm
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skip else 0
        if wrong := divergence.verdict(value, size, self.skipped_in_a_row):
            raise self._diverged(wrong, value, self.step)
        if skip:
            self.skipped += 1
            return
        for group in self.optimizer.param_groups:
            group["lr"] = schedules.learning_rate(self.config.train, self.step)
        self.optimizer.step()

    def _diverged(self, wrong: str, loss: float, step: int) -> DivergedError:
        """What to say, and to log, when the run is given up at a step."""
        windows = self.batches.indices(step).tolist()
        self._write({"kind": "diverged", "step": step, "loss": repr(loss), "windows": windows})
        good = f"resume {self.run} from its last checkpoint, {LAST} of step {self.saved},"
        return DivergedError(
            f"{wrong} at step {step} (loss {loss:.4g}, training windows {divergence.shown(windows)}): "
            f"{'start again' if self.saved is None else good} with a lower --set train.learning_rate"
        )

    def _write(self, figures: Mapping[str, Any]) -> None:
        """Add a line to the log."""
        if self.world.first:
            self.log.write(figures)

    def _figures(self, sums: Averages, seconds: float) -> dict[str, float]:
        """The figures of a line of the log."""
        config = self.config.train
        return {
            "step": self.step,
            **sums.means(),
            "beta": schedules.beta(config, self.step - 1),
            "learning_rate": schedules.learning_rate(config, self.step - 1),
            "examples_per_second": sums.count * config.batch_size / seconds,
            "skipped": self.skipped,
        }

    def _checkpoint(self) -> None:
        """Validate, keep the model where it is the best so far, and write what resuming needs; the first process's."""
        if not self.world.first:
            return
        loss = self._validate() if len(self.validation) else None
        if loss is not None and not math.isfinite(loss):
            raise self._diverged("the validation loss is not finite", loss, self.step - 1)
        if loss is None or loss < self.best or not (self.run / checkpoint.WEIGHTS).exists():
            self.best = self.best if loss is None else min(loss, self.best)
            trained = {"steps": self.step, "validation_loss_nats": loss}
            self.vae.config = replace(self.config, provenance={**self.config.provenance, **trained})
            checkpoint.save_model(self.run, self.vae)
        (self.run / LAST).parent.mkdir(exist_ok=True)
        checkpoint.write_json((self.run / LAST).parent / checkpoint.CONFIG, self.config.to_dict())
        updates = self.step - self.skipped
        counters = {
            **{"step": self.step, "best": self.best, "skipped": self.skipped},
            **{"seed": self.seed, "updates": updates},
        }
        metadata = {"objective": self._objective, **{key: repr(value) for key, value in counters.items()}}
        states.write(self.run, states.pack(self.vae, self.optimizer), metadata)
        self.saved = self.step

    @property
    def _objective(self) -> str:
        """What the validation loss depends on besides the model."""
        train = self.config.train
        return repr((train.beta, train.free_bits, train.free_bits_per_dim, self.held_out))

    def _validate(self) -> float:
        """The training loss, at its final beta, of the validation windows: mean nats."""
        config, draw = self.config.train, seeded(self.device, VALIDATION_SEED)
        self.vae.eval()
        with torch.inference_mode():
            elbos = [self.vae(batch, generator=draw) for batch in torch.split(self.validation, VALIDATION_BATCH)]
            losses = torch.cat([elbo.loss(config.beta, config.free_bits, config.free_bits_per_dim) for elbo in elbos])
        terms = {
            name: float(torch.cat([getattr(elbo, name) for elbo in elbos]).mean()) for name in ("reconstruction", "kl")
        }
        self._write({"kind": "validation", "step": self.step, "loss": float(losses.mean()), **terms})
        if self.log.board:
            exhibition.show(self.log.board, self.vae, self.representation, self.validation, self.step)
        self.vae.train()
        return float(losses.mean())
