"""Training a model and measuring what it is worth: train, evaluate."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from musevae.cli import options
from musevae.cli.errors import Interrupted, failure
from musevae.cli.job import load

DATA = click.option("--data", type=click.Path(path_type=Path), required=True, help="Dataset of `musevae prepare`.")
RESUMED = {"steps": "--steps", "device": "--device", "threads": "--threads"}  # given again to a resumed run


@click.command()
@click.argument("preset")
@DATA
@click.option("--run", type=options.OutputFolder(), required=True, help="Folder for the model, checkpoints and log.")
@click.option(
    "--steps", type=click.IntRange(1), help="Stop at this step of the schedule.  [default: its end, train.steps]"
)
@options.settings
@options.seed
@options.auto_device
@options.threads
@click.option("--resume", is_flag=True, help="Continue the run from its last checkpoint.")
@click.option("--init-from", metavar="MODEL", help="Model whose weights to start from (fine-tuning).")
@options.as_json
def train(
    preset: str,
    data: Path,
    run: Path,
    steps: int | None,
    settings: tuple[str, ...],
    seed: int,
    device: str,
    threads: int | None,
    resume: bool,
    init_from: str | None,
    as_json: bool,
) -> None:
    """Train a preset on a dataset.

    `musevae models` lists the presets. RUN becomes a model folder: the best so far by validation. Ctrl-C and SIGTERM
    write a checkpoint first; --resume goes on from there, with the settings of the run.
    """
    from musevae import pretrained  # torch
    from musevae.cli import progress
    from musevae.training import trainer

    use_threads(threads)
    source = pretrained.locate(init_from) if init_from else None
    start = partial(trainer.train, preset, data, run, resume=resume, init_from=source)
    with training_errors(), progress.training() as advance:
        result = start(steps=steps, settings=settings, seed=seed, device=device, progress=advance)
    if not result.finished:
        again = shlex.join(resume_command(click.get_current_context().params))
        raise failure(f"interrupted at step {result.step}, with a checkpoint; to go on: {again}", Interrupted)
    loss = result.validation_loss
    if as_json:
        figures = {"steps": result.step, "seed": result.seed, "validation_loss_nats": loss}
        click.echo(json.dumps({"command": "train", "preset": preset, "run": str(run), **figures}, indent=2))
        return
    held_out = "no windows to validate on" if loss is None else f"validation loss {loss:.3f} nats"
    click.echo(f"{click.format_filename(run)}: {result.step} steps, {held_out}, seed {result.seed}")
    click.echo(f"hear it with: {shlex.join(['musevae', 'sample', '-m', str(run)])}")


@click.command()
@click.argument("model")
@DATA
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="validation", show_default=True)
@click.option("--seed", type=options.SEEDS, default=0, show_default=True, help="Of z and of the sampled figures.")
@options.auto_device
@options.threads
@options.as_json
def evaluate(model: str, data: Path, split: str, seed: int, device: str, threads: int | None, as_json: bool) -> None:
    """Measure a model on a dataset.

    MODEL is a bundled model's name, a model folder or a run folder.
    """
    from musevae.cli import progress
    from musevae.training.evaluate import evaluate_split  # torch

    use_threads(threads)
    loaded = load(model, device)
    with progress.counting("window") as advance:
        figures = evaluate_split(loaded.vae, data, split, seed=seed, progress=advance)
    figures = {"model": loaded.name, "split": split, **figures}
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        click.echo(f"{name:24}{value:.4f}" if isinstance(value, float) else f"{name:24}{value}")


@contextmanager
def training_errors() -> Iterator[None]:
    """Turn the errors of training that are no ValueError or OSError into complaints."""
    import torch

    from musevae.training.trainer import DivergedError  # torch

    try:
        yield
    except DivergedError as error:
        raise failure(str(error)) from error
    except torch.OutOfMemoryError:
        raise failure("the device is out of memory: use a smaller batch with --set train.batch_size=N") from None


def resume_command(given: dict[str, Any]) -> list[str]:
    """The command that continues a run started with the parameters `given`."""
    command = ["musevae", "train", given["preset"], "--data", str(given["data"]), "--run", str(given["run"])]
    for name, flag in RESUMED.items():
        if given[name] not in (None, "auto"):
            command += [flag, str(given[name])]
    return [*command, "--resume"]


def use_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads, never more than there are cores."""
    import torch

    if threads is not None:
        torch.set_num_threads(min(threads, os.cpu_count() or 1))
