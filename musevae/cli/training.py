"""Training a model and measuring what it is worth: train, evaluate."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from musevae.cli import options
from musevae.cli.errors import INTERRUPTED, failure
from musevae.cli.job import load

RESUME_DROPS = ("run", "resume", "init_from", "as_json", "seed")  # what `--resume` takes from the run folder or adds itself


@click.command()
@click.argument("preset")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Dataset folder, made by `musevae prepare`.")
@click.option("--run", type=options.OutputFolder(), required=True, help="Folder for the model, its checkpoints and its log.")
@click.option("--steps", type=click.IntRange(1), help="Training steps.  [default: the preset's]")
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

    `musevae models` lists the presets. RUN becomes a model folder: the best so far by validation. Ctrl-C writes a checkpoint; --resume goes on from there.
    """
    import torch

    from musevae import presets, pretrained
    from musevae.cli import progress
    from musevae.training import trainer

    use_threads(threads)
    config = presets.preset(preset, settings)
    source = pretrained.locate(init_from) if init_from else None
    try:
        with progress.training(steps or config.train.steps) as advance:
            result = trainer.train(
                config, data, run, steps=steps, seed=seed, device=device, resume=resume, init_from=source, progress=advance
            )
    except trainer.DivergedError as error:
        raise failure(str(error)) from error
    except torch.OutOfMemoryError:
        raise failure(f"the device is out of memory at batch size {config.train.batch_size}: lower --set train.batch_size") from None
    if not result.finished:
        again = shlex.join(resume_command(click.get_current_context().params))
        raise failure(f"interrupted at step {result.step}; a checkpoint is in {run}, continue with: {again}", INTERRUPTED)
    figures = {"steps": result.step, "validation_loss_nats": result.validation_loss}
    if as_json:
        click.echo(json.dumps({"command": "train", "preset": config.preset, "run": str(run), **figures}, indent=2))
        return
    loss = "no windows to validate on" if result.validation_loss is None else f"validation loss {result.validation_loss:.3f} nats"
    click.echo(f"{click.format_filename(run)}: {result.step} steps, {loss}")
    click.echo(f"hear it with: {shlex.join(['musevae', 'sample', '-m', str(run)])}")


def resume_command(given: dict[str, Any]) -> list[str]:
    """The command that continues a run started with the parameters `given`."""
    command = ["musevae", "train", given["preset"], "--data", str(given["data"]), "--run", str(given["run"])]
    for name, flag in {"steps": "--steps", "device": "--device", "threads": "--threads"}.items():
        if given[name] not in (None, "auto"):
            command += [flag, str(given[name])]
    for setting in given["settings"]:
        command += ["--set", setting]
    return [*command, "--resume"]


@click.command()
@click.argument("model")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Dataset folder, made by `musevae prepare`.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="validation", show_default=True)
@click.option("--seed", type=options.SEEDS, default=0, show_default=True, help="Of the draws of z and of the sampled figures.")
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


def use_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads, never more than there are cores."""
    import os

    import torch

    if threads is not None:
        torch.set_num_threads(min(threads, os.cpu_count() or 1))
