"""The training loop: batches from the device, the ELBO, Adam; a run folder that can always be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musevae import checkpoint, presets
from musevae.checkpoint import CheckpointError, MusicVAE
from musevae.config import Config, override
from musevae.music.shards import read_manifest
from musevae.training import schedules
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
from musevae.training.device import torch_device
from musevae.training.interruption import stop_requested
from musevae.training.run_log import LOG, Averages, RunLog

LAST = Path("last", "state.safetensors")
VALIDATION_SEED = 1
VALIDATION_BATCH = 512

Progress = Callable[[Mapping[str, float], int], None]  # the figures of a log line, the steps that there will be


class DivergedError(RuntimeError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class TrainResult:
    """Where a run stands when `train` returns."""

    run: Path
    step: int
    seed: int  # what the run was started with
    validation_loss: (
        float | None
    )  # nats, the best so far, what the run's model.safetensors has; None: nothing to validate on
    finished: bool  # False: stopped by Ctrl-C or SIGTERM, after a checkpoint


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
) -> TrainResult:
    """Train a preset (or a Config) on a dataset folder; the run folder is a model folder, best by validation so far.

    `settings` change the preset ("train.beta=0.1"). The schedules are laid out over `train.steps`; `steps` stops
    sooner, or lays them out longer. `init_from` is a model folder to start from (fine-tuning); `resume` continues the
    run, with its own settings and seed, exactly as it would have gone on, but for `settings` given anew. Raises
    ConfigError, DatasetError, CheckpointError or ValueError for what cannot be trained, DivergedError when the gradient
    is not finite.
    """
    run, chosen = Path(run), torch_device(device)
    if resume and init_from is not None:
        raise ValueError("a run is either resumed or started from another model: leave out --resume or --init-from")
    if not resume and (run / LAST).exists():
        raise CheckpointError(f"{run} already holds a run: --resume continues it, or choose another folder")
    if (run / checkpoint.WEIGHTS).exists() and not (run / LOG).exists():
        raise CheckpointError(f"{run} holds a model that is no run's: choose another folder")
    config = presets.preset(preset) if isinstance(preset, str) else preset
    config = override(resumed(run, config.preset) if resume else config, settings)
    if steps is not None and steps > config.train.steps:
        config = replace(config, train=replace(config.train, steps=steps))
    trainer = Trainer(config, Path(data), run, seed, chosen, provenance or {})
    if resume:
        trainer.restore()
    elif init_from is not None:
        trainer.initialise(Path(init_from))
    return trainer.fit(config.train.steps if steps is None else steps, progress)


def resumed(run: Path, preset: str) -> Config:
    """The config with which a run of that preset was going on; CheckpointError where there is none."""
    if not (run / LAST).exists():
        raise CheckpointError(f"{run} holds no run to resume: it has no {LAST}")
    config = checkpoint.load_config((run / LAST).parent)
    if config.preset != preset:
        raise CheckpointError(f"{run} is a run of {config.preset}, not of {preset}: name that preset to resume it")
    return config


class Trainer:
    """One run: the model, its optimiser, and the step it has come to."""

    def __init__(
        self, config: Config, data: Path, run: Path, seed: int, device: torch.device, provenance: Mapping[str, Any]
    ) -> None:
        self.run, self.seed, self.device = run, seed, device
        self.representation = trainable(config)
        check_representation(config, data)
        splits = open_dataset(data)
        torch.manual_seed(seed)
        self.config = replace(
            config, provenance={**config.provenance, **provenance, "data": sources(data), "seed": seed}
        )
        self.vae = MusicVAE(self.config).to(device)
        self.parameters = {name: p for name, p in self.vae.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=config.train.learning_rate)
        self.batches = Batches(splits["train"].events.to(device), config.train.batch_size, seed)
        self.validation = spread(splits["validation"].events, config.train.validation_examples).to(device)
        self.held_out = sorted(read_manifest(data)["shards"]["validation"].values())
        self.step, self.best, self.skipped = 0, math.inf, 0
        self.log = RunLog(run)

    def fit(self, steps: int, progress: Progress | None = None) -> TrainResult:
        """Train up to step `steps`, or until asked to stop; the state at the end is on disk."""
        self.log.open()
        sums, since = Averages(), time.perf_counter()
        with stop_requested() as stop:
            while self.step < steps and not stop.is_set():
                sums.add(self._update(self.batches[self.step]))
                self.step += 1
                if self.step % self.config.train.log_every == 0 or self.step == steps:
                    figures = self._log(sums, time.perf_counter() - since)
                    if progress:
                        progress(figures, steps)
                    sums, since = Averages(), time.perf_counter()
                if self.step % self.config.train.validate_every == 0 and self.step < steps:
                    self._checkpoint()
            self._checkpoint()
        self.log.close()
        return TrainResult(
            self.run, self.step, self.seed, self.best if len(self.validation) else None, self.step >= steps
        )

    def initialise(self, folder: Path) -> None:
        """Start from the weights of another model of the same architecture."""
        weights, _ = checkpoint.read_tensors(folder / checkpoint.WEIGHTS)
        checkpoint.load_weights(self.vae, weights, folder)
        self.config = replace(self.config, provenance={**self.config.provenance, "init_from": folder.name})

    def restore(self) -> None:
        """Go back to the last checkpoint."""
        tensors, metadata = checkpoint.read_tensors(self.run / LAST)
        try:
            self.step = int(metadata["step"])
            if metadata["objective"] == self._objective:  # else the best so far is no measure for this run
                self.best = float(metadata["best"])
            self.skipped, self.seed = int(metadata["skipped"]), int(metadata["seed"])
            model = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
            checkpoint.load_weights(self.vae, model, self.run)
            for name, parameter in self.parameters.items() if self.step > self.skipped else ():
                moments = {key: tensors[f"{key}.{name}"].to(self.device) for key in ("exp_avg", "exp_avg_sq")}
                self.optimizer.state[parameter] = {"step": torch.tensor(float(metadata["updates"])), **moments}
                if any(moment.shape != parameter.shape for moment in moments.values()):
                    raise ValueError(f"the moments of {name} have another shape")
        except KeyError as error:
            raise CheckpointError(f"{self.run / LAST} is damaged: it has no {error}") from None
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{self.run / LAST} is damaged: {error}") from None
        self.batches.seed = self.seed
        self.config = replace(self.config, provenance={**self.config.provenance, "seed": self.seed})
        self.log.rewind(self.step)

    def _update(self, events: Tensor) -> dict[str, Tensor]:
        """One step of Adam on events (B, T, ...); the figures stay on the device."""
        config, step = self.config.train, self.step
        draw = seeded(self.device, self.seed, 1, step)
        if config.transpose:
            events = transpose(events, config.transpose, self.representation, draw)
        if config.drop_drums:
            events = drop_drums(events, config.drop_drums, draw)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            probability = schedules.sampling_probability(config, step)
            elbo = self.vae(events, generator=draw, sampling_probability=probability)
        loss = elbo.loss(schedules.beta(config, step), config.free_bits, config.free_bits_per_dim).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), config.clip_norm)
        self._apply(norm, loss)
        means = {
            "loss": loss,
            "reconstruction": elbo.reconstruction.mean(),
            "kl": elbo.kl.mean(),
            "gradient_norm": norm,
        }
        return {name: value.detach() for name, value in means.items()}

    def _apply(self, norm: Tensor, loss: Tensor) -> None:
        """Step the optimiser, unless the gradient is too large to be trusted."""
        size = float(norm)
        if not math.isfinite(size):
            saved = f"resume {self.run} from its last checkpoint" if (self.run / LAST).exists() else "start again"
            raise DivergedError(
                f"the gradient is not finite at step {self.step} (loss {float(loss.detach()):.4g}): {saved} with a "
                "lower --set train.learning_rate"
            )
        if size >= self.config.train.skip_norm:
            self.skipped += 1
            return
        for group in self.optimizer.param_groups:
            group["lr"] = schedules.learning_rate(self.config.train, self.step)
        self.optimizer.step()

    def _log(self, sums: Averages, seconds: float) -> dict[str, float]:
        """Write a line of the log; returns its figures."""
        config = self.config.train
        figures = {
            "step": self.step,
            **sums.means(),
            "beta": schedules.beta(config, self.step - 1),
            "learning_rate": schedules.learning_rate(config, self.step - 1),
            "examples_per_second": sums.count * config.batch_size / seconds,
            "skipped": self.skipped,
        }
        self.log.write({"kind": "train", **figures})
        return figures

    def _checkpoint(self) -> None:
        """Validate, keep the model where it is the best so far, and write what resuming needs."""
        loss = self._validate() if len(self.validation) else None
        if loss is None or loss < self.best or not (self.run / checkpoint.WEIGHTS).exists():
            self.best = self.best if loss is None else min(loss, self.best)
            trained = {"steps": self.step, "validation_loss_nats": loss}
            self.vae.config = replace(self.config, provenance={**self.config.provenance, **trained})
            checkpoint.save_model(self.run, self.vae)
        (self.run / LAST).parent.mkdir(exist_ok=True)
        checkpoint.write_json((self.run / LAST).parent / checkpoint.CONFIG, self.config.to_dict())
        tensors = {f"model.{name}": tensor.detach().contiguous() for name, tensor in self.vae.state_dict().items()}
        for name, parameter in self.parameters.items():
            state = self.optimizer.state.get(parameter, {})
            tensors |= {f"{key}.{name}": state[key] for key in ("exp_avg", "exp_avg_sq") if key in state}
        updates = self.step - self.skipped
        state = {"step": self.step, "best": self.best, "skipped": self.skipped, "seed": self.seed, "updates": updates}
        metadata = {"objective": self._objective, **{key: repr(value) for key, value in state.items()}}
        checkpoint.write_tensors(self.run / LAST, tensors, metadata)

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
        self.vae.train()
        terms = {
            name: float(torch.cat([getattr(elbo, name) for elbo in elbos]).mean()) for name in ("reconstruction", "kl")
        }
        self.log.write({"kind": "validation", "step": self.step, "loss": float(losses.mean()), **terms})
        return float(losses.mean())
