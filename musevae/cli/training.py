"""Training a model and measuring what it is worth: train, evaluate."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musevae.cli import options
from musevae.cli.errors import Interrupted, failure
from musevae.cli.job import load
from musevae.cli.processor import set_up_cpu

if TYPE_CHECKING:
    from musevae.training.trainer import TrainResult

DATA = partial(click.option, "--data", type=click.Path(path_type=Path), help="Dataset of `musevae prepare`.")
LAYER_ROW = "{:34} {:18} {:>14} {:>12} {:>6} {:>10}"
RESUMED = {"steps": "--steps", "device": "--device", "threads": "--threads"}  # given again to a resumed run


@click.command()
@click.argument("preset")
@DATA()
@click.option("--run", type=options.OutputFolder(), help="Folder for the model, checkpoints and log.")
@click.option(
    "--steps", type=click.IntRange(1), help="Stop at this step of the schedule.  [default: its end, train.steps]"
)
@options.settings
@options.seed
@options.auto_device
@options.threads
@click.option("--resume", is_flag=True, help="Continue the run from its last checkpoint.")
@click.option("--init-from", metavar="MODEL", help="Model whose weights to start from (fine-tuning).")
@click.option("--dry-run", is_flag=True, help="Say what training would cost, and do nothing; needs no data.")
@click.option("--profile", is_flag=True, help="Say where the time of some steps goes; writes trace.json into RUN.")
@options.as_json
def train(
    preset: str,
    data: Path | None,
    run: Path | None,
    steps: int | None,
    settings: tuple[str, ...],
    seed: int,
    device: str,
    threads: int | None,
    resume: bool,
    init_from: str | None,
    dry_run: bool,
    profile: bool,
    as_json: bool,
) -> None:
    """Train a preset on a dataset.

    `musevae models` lists the presets. RUN becomes a model folder: the best so far by validation. Ctrl-C and SIGTERM
    write a checkpoint first; --resume goes on from there, with the settings of the run. On several GPUs or machines:
    torchrun --nproc-per-node N -m -- musevae train ...
    """
    if dry_run:
        say_cost(preset, settings, as_json)
        return
    from musevae import presets  # numpy

    presets.preset(preset)  # raises for those of images
    how: dict[str, Any] = {"steps": steps, "settings": settings, "seed": seed, "device": device, "resume": resume}
    data, run = given("data", data), given("run", run)
    result = run_training(preset, data, run, threads=threads, init_from=init_from, profile=profile, **how)
    say_result(preset, result, as_json, "hear it with: musevae sample -m")


def run_training(
    preset: str,
    data: Path,
    run: Path,
    *,
    threads: int | None,
    init_from: str | None,
    **how: Any,  # noqa: ANN401 - what `musevae.train` takes besides
) -> TrainResult:
    """Train up to the end, as a command does; a complaint where it is not reached.

    A resumed run has the threads that it had, so that it goes on exactly.
    """
    import torch

    from musevae import pretrained  # torch
    from musevae.cli import progress
    from musevae.training import distributed
    from musevae.training.run import planned, train

    config = planned(preset, run, how["settings"], resume=how["resume"])
    set_up_cpu(config, config.train.batch_size, threads or config.provenance.get("threads"))
    source = pretrained.locate(init_from) if init_from else None
    with training_errors(), progress.training(hidden=distributed.rank() > 0) as advance:
        told = {"threads": torch.get_num_threads()}
        result = train(preset, data, run, init_from=source, progress=advance, provenance=told, **how)
    if distributed.rank() > 0:  # the first process says it all
        raise click.exceptions.Exit(0 if result.finished else Interrupted.exit_code)
    if not result.finished:
        again = shlex.join(resume_command(click.get_current_context()))
        raise failure(f"interrupted at step {result.step}, with a checkpoint; to go on: {again}", Interrupted)
    return result


def say_result(preset: str, result: TrainResult, as_json: bool, next_command: str) -> None:
    """Say what a run has come to, and how to hear or see it."""
    loss, run = result.validation_loss, result.run
    if as_json:
        figures = {"steps": result.step, "seed": result.seed, "validation_loss_nats": loss}
        command = click.get_current_context().command_path.removeprefix("musevae ")
        click.echo(json.dumps({"command": command, "preset": preset, "run": str(run), **figures}, indent=2))
        return
    held_out = "nothing to validate on" if loss is None else f"validation loss {loss:.3f} nats"
    click.echo(f"{click.format_filename(run)}: {result.step} steps, {held_out}, seed {result.seed}")
    click.echo(f"{next_command} {shlex.quote(str(run))}")
    if result.profile:
        click.echo(result.profile.rstrip())


def say_cost(preset: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Say what training a preset costs: a table of its layers, its parameters, arithmetic and memory."""
    from musevae import presets
    from musevae.training.cost import cost  # torch

    found = cost(presets.preset(preset, settings))
    flops, memory = found.flops, found.memory_bytes
    if as_json:
        report = {"command": "train", "preset": preset, "dry_run": True, "parameters": found.parameters}
        totals = {"flops_per_example": flops, "batch_size": found.batch_size, "memory_bytes": memory}
        totals["gpu_memory_bytes"] = found.gpu_memory_bytes
        click.echo(json.dumps({**report, **totals, "layers": [vars(layer) for layer in found.layers]}, indent=2))
        return
    click.echo(LAYER_ROW.format("layer", "kind", "size", "parameters", "steps", "MFLOP"))
    for row in found.layers:
        numbers = f"{row.parameters:,}", f"{row.applied:,}", f"{row.flops / 1e6:,.2f}"
        click.echo(LAYER_ROW.format(row.name, row.kind, row.shape, *numbers))
    click.echo(f"{found.parameters:,} parameters")
    click.echo(f"{flops['forward'] / 1e6:,.1f} MFLOP an example forward, {flops['backward'] / 1e6:,.1f} backward")
    parts = ", ".join(f"{name} {size / 1e6:,.1f}" for name, size in memory.items() if name != "total")
    click.echo(f"{memory['total'] / 1e6:,.1f} MB for batches of {found.batch_size}: {parts}")
    click.echo(f"{found.gpu_memory_bytes / 1e6:,.1f} MB on a GPU, where activations have 16 bits")


def given(name: str, value: Path | None) -> Path:
    """The value of an option that only a dry run goes without."""
    if value is None:
        context = click.get_current_context()
        parameter = next(parameter for parameter in context.command.params if parameter.name == name)
        raise click.MissingParameter(ctx=context, param=parameter)
    return value


@click.command()
@click.argument("model")
@DATA(required=True)
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="validation", show_default=True)
@options.iwae
@click.option("--seed", type=options.SEEDS, default=0, show_default=True, help="Of z and of the sampled figures.")
@options.auto_device
@options.threads
@options.as_json
def evaluate(
    model: str,
    data: Path,
    split: str,
    iwae: int | None,
    seed: int,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure a model on a dataset.

    MODEL is a bundled model's name, a model folder or a run folder.
    """
    from musevae.cli import progress
    from musevae.training.evaluate import BATCH, evaluate_split  # torch

    loaded = load(model, device)
    set_up_cpu(loaded.vae, BATCH, threads)
    with progress.counting("window") as advance:
        figures = evaluate_split(loaded.vae, data, split, draws=iwae, seed=seed, progress=advance)
    figures = {"model": loaded.name, "split": split, **figures}
    say_figures(figures, as_json)


def say_figures(figures: Mapping[str, Any], as_json: bool) -> None:
    """Print what a model is worth."""
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        if value is not None:
            click.echo(f"{name:24}{value:.4f}" if isinstance(value, float) else f"{name:24}{value}")


@contextmanager
def training_errors() -> Iterator[None]:
    """Turn the errors of training that are no ValueError or OSError into complaints."""
    import torch

    from musevae.training.distributed import LostProcessError  # torch
    from musevae.training.divergence import DivergedError

    try:
        yield
    except (DivergedError, LostProcessError) as error:
        raise failure(str(error)) from error
    except torch.OutOfMemoryError:
        raise failure("the device is out of memory: use a smaller batch with --set train.batch_size=N") from None


def resume_command(context: click.Context) -> list[str]:
    """The command that continues the run that one started."""
    given, names = context.params, context.command_path.split()
    command = [*names, given["preset"], "--data", str(given["data"]), "--run", str(given["run"])]
    for name, flag in RESUMED.items():
        if given.get(name) not in (None, "auto"):
            command += [flag, str(given[name])]
    return [*command, "--resume"]
