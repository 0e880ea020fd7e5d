"""The training loop: batches from the device, the ELBO, Adam; a run folder that can always be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import torch
from torch import Generator, Tensor

from musevae import checkpoint
from musevae.checkpoint import CheckpointError
from musevae.models.elbo import Elbo
from musevae.training import divergence, schedules, states
from musevae.training.datasets import Batches, seeded
from musevae.training.distributed import Draws, World
from musevae.training.divergence import DivergedError as DivergedError
from musevae.training.divergence import Watch
from musevae.training.interruption import stop_requested
from musevae.training.profiling import Profiler
from musevae.training.run_log import Averages, RunLog
from musevae.training.states import LAST
from musevae.training.task import Task
from musevae.vaes import build, save_model

VALIDATION_SEED = 1
ASKED_EVERY = 8  # steps
WAITED_FOR = ("cpu",)  # devices whose figures are looked at in every step, those of others when a line is logged

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


class Trainer:
    """One run: the model, its optimiser, and the step it has come to."""

    def __init__(self, task: Task, run: Path, seed: int, device: torch.device, world: World) -> None:
        self.task, self.run, self.seed, self.device, self.world = task, run, seed, device, world
        self.config = replace(task.config, provenance={**task.config.provenance, "seed": seed})
        self.train = task.config.train
        torch.manual_seed(seed)
        self.vae = build(self.config).to(device)
        self.model: torch.nn.Module = self.vae  # while training, what averages gradients over the processes
        self.parameters = [parameter for parameter in self.vae.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.train.learning_rate, fused=True)
        self.batches = Batches(task.examples, self.train.batch_size, seed, device, task.unit)
        self.step, self.best, self.watch = 0, math.inf, Watch(self.train.skip_norm)
        self.saved: int | None = None  # the step of the last checkpoint
        self.log = RunLog(run)

    def fit(self, steps: int, progress: Progress | None = None, *, profile: bool = False) -> TrainResult:
        """Train up to step `steps`, or until asked to stop; the state at the end is on disk."""
        self.model = self.world.replicated(self.vae)
        profiler = Profiler(self.run, self.device, steps - self.step) if profile and self.world.first else None
        if self.world.first:
            self.log.rewind(self.step)
            self.log.open()
            states.sweep(self.run)
        try:
            with stop_requested(second_kills=self.world.size == 1) as stop, profiler or nullcontext():
                self._loop(steps, stop, progress, profiler)
            self._checkpoint()
        finally:
            self.log.close()
            self.model = self.vae
        best = self.world.shared(self.best) if self.task.held_out_examples else None
        return TrainResult(self.run, self.step, self.seed, best, self.step >= steps, profiler.table if profiler else "")

    def _loop(self, steps: int, stop: Event, progress: Progress | None, profiler: Profiler | None) -> None:
        sums, since = Averages(), time.perf_counter()
        while self.step < steps and not self._stopped(stop):
            sums.add(self._update(self.batches.indices(self.step)))
            self.step += 1
            logged = self.step % self.train.log_every == 0 or self.step == steps
            if logged or self.device.type in WAITED_FOR:
                self._look()
            if logged:
                figures = self._figures(sums, time.perf_counter() - since)
                self._write({"kind": "train", **figures})
                if progress and self.world.first:
                    progress(figures, steps)
                sums, since = Averages(), time.perf_counter()
            if self.step % self.train.validate_every == 0 and self.step < steps:
                self._checkpoint()
            if profiler:
                profiler.step()

    def _stopped(self, stop: Event) -> bool:
        """Whether any process was asked to stop; several ask each other every few steps only, as all wait for it."""
        if self.world.size > 1 and self.step % ASKED_EVERY:
            return False
        return self.world.any(stop.is_set(), self.device)

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
            self.watch.skipped, self.seed = int(state.metadata["skipped"]), int(state.metadata["seed"])
            states.unpack(state, self.vae, self.optimizer, int(state.metadata["updates"]))
        except KeyError as error:
            raise CheckpointError(f"{state.path} is damaged: it has no {error}") from None
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{state.path} is damaged: {error}") from None
        self.batches.seed = self.seed
        self.config = replace(self.config, provenance={**self.config.provenance, "seed": self.seed})

    def _update(self, rows: Tensor) -> dict[str, Tensor]:
        """One step of Adam on the whole batch's examples; the figures stay on the device."""
        draw = seeded(self.device, self.seed, 1, self.step)
        batch = map(self.world.rows, self.task.batch(rows, draw))
        with self._precision(), self._draws(draw):
            told = self.task.decoding(self.step)
            elbo = self.model(*batch, generator=draw, samples=self.train.samples, **told)
        loss = self._loss(elbo, schedules.beta(self.train, self.step)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.train.clip_norm)
        means = {"loss": loss, "reconstruction": elbo.reconstruction.mean(), "kl": elbo.kl.mean()}
        figures = {**self.world.average(means), "gradient_norm": norm}
        self._apply(figures["loss"], norm)
        return {name: value.detach() for name, value in figures.items()}

    def _loss(self, elbo: Elbo, beta: float) -> Tensor:
        """The objective (B,) in nats; the bound of several draws has no weights, from the first step on."""
        train = self.train
        if train.samples > 1:
            return elbo.loss()
        return elbo.loss(beta, train.free_bits, train.free_bits_per_dim, train.mmd)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    def _draws(self, draw: Generator) -> AbstractContextManager[Any]:
        """What makes the random numbers of a step depend on `draw` alone, however many processes share it."""
        needed = self.world.size > 1 or self.task.dropout
        return Draws(draw, self.world) if needed else nullcontext()

    def _apply(self, loss: Tensor, norm: Tensor) -> None:
        """Step the optimiser, which leaves all as it is, on its device, where the gradient is not to be trusted."""
        for group in self.optimizer.param_groups:
            group["lr"] = schedules.learning_rate(self.train, self.step, self.task.steps)
        self.optimizer.found_inf = self.watch.add(self.step, loss, norm)  # type: ignore[attr-defined]
        self.optimizer.step()

    def _look(self) -> None:
        """Give the run up where a step since the last look went wrong."""
        if wrong := self.watch.look():
            raise self._diverged(wrong.what, wrong.loss, wrong.step)

    def _diverged(self, wrong: str, loss: float, step: int) -> DivergedError:
        """What to say, and to log, when the run is given up at a step."""
        rows = self.batches.indices(step).tolist()
        self._write({"kind": "diverged", "step": step, "loss": repr(loss), self.task.unit: rows})
        good = f"resume {self.run} from its last checkpoint, {LAST} of step {self.saved},"
        return DivergedError(
            f"{wrong} at step {step} (loss {loss:.4g}, training {self.task.unit} {divergence.shown(rows)}): "
            f"{'start again' if self.saved is None else good} with a lower --set train.learning_rate"
        )

    def _write(self, figures: Mapping[str, Any]) -> None:
        """Add a line to the log."""
        if self.world.first:
            self.log.write(figures)

    def _figures(self, sums: Averages, seconds: float) -> dict[str, float]:
        """The figures of a line of the log."""
        return {
            "step": self.step,
            **sums.means(),
            "beta": schedules.beta(self.train, self.step - 1),
            "learning_rate": schedules.learning_rate(self.train, self.step - 1, self.task.steps),
            "examples_per_second": sums.count * self.train.batch_size / seconds,
            "skipped": self.watch.skipped,
        }

    def _checkpoint(self) -> None:
        """Validate, keep the model where it is the best so far, and write what resuming needs; the first process's."""
        self._look()
        if not self.world.first:
            return
        loss = self._validate() if self.task.held_out_examples else None
        if loss is not None and not math.isfinite(loss):
            raise self._diverged("the validation loss is not finite", loss, self.step - 1)
        if loss is None or loss < self.best or not (self.run / checkpoint.WEIGHTS).exists():
            self.best = self.best if loss is None else min(loss, self.best)
            trained = {"steps": self.step, "validation_loss_nats": loss}
            self.vae.config = replace(self.config, provenance={**self.config.provenance, **trained})
            save_model(self.run, self.vae)
        (self.run / LAST).parent.mkdir(exist_ok=True)
        checkpoint.write_json((self.run / LAST).parent / checkpoint.CONFIG, self.config.to_dict())
        updates = self.step - self.watch.skipped
        counters = {
            **{"step": self.step, "best": self.best, "skipped": self.watch.skipped},
            **{"seed": self.seed, "updates": updates},
        }
        metadata = {"objective": self._objective, **{key: repr(value) for key, value in counters.items()}}
        states.write(self.run, states.pack(self.vae, self.optimizer), metadata)
        self.saved = self.step

    @property
    def _objective(self) -> str:
        """What the validation loss depends on besides the model."""
        train = self.train
        weights = (train.beta, train.free_bits, train.free_bits_per_dim)
        several = (train.samples, train.mmd) if train.samples > 1 or train.mmd else ()
        return repr((*weights, *several, self.task.held_out))

    def _validate(self) -> float:
        """The training loss, at its final beta, of what is held out: mean nats."""
        draw = seeded(self.device, VALIDATION_SEED)
        self.vae.eval()
        with torch.inference_mode():
            elbos = [
                self.vae(*batch, generator=draw, samples=self.train.samples) for batch in self.task.validation(draw)
            ]
            losses = torch.cat([self._loss(elbo, self.train.beta) for elbo in elbos])
        terms = {
            name: float(torch.cat([getattr(elbo, name) for elbo in elbos]).mean()) for name in ("reconstruction", "kl")
        }
        self._write({"kind": "validation", "step": self.step, "loss": float(losses.mean()), **terms})
        if self.log.board:
            self.task.show(self.log.board, self.vae, self.step)
        self.vae.train()
        return float(losses.mean())
