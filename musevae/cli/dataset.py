"""From music files to a dataset: prepare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musevae.cli import options

if TYPE_CHECKING:
    from data_prep import Report
    from musevae.config import Config

UNREADABLE_SHOWN = 3


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=options.OutputFolder(), required=True, help="Folder for the dataset.")
@click.option(
    "-m",
    "--model",
    default=options.DEFAULT_MODEL,
    show_default=True,
    help="Preset or model folder that the dataset is for.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--tracks", multiple=True, metavar="NAME", help="Use tracks of this name only; repeatable.")
@click.option(
    "--dedupe",
    type=click.Choice(["exact", "transposition", "none"]),
    default="exact",
    show_default=True,
    help="Which windows of a split count as one.",
)
@options.settings
@options.force
@options.as_json
def prepare(
    inputs: tuple[Path, ...],
    output: Path,
    model: str,
    workers: int,
    tracks: tuple[str, ...],
    dedupe: str,
    settings: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Make a dataset of music files.

    INPUTS are MIDI files, folders and .zip archives of them. Folders named train, validation and test decide what goes
    where; without them, a hash of each file's content does.
    """
    import data_prep  # numpy
    from musevae import presets
    from musevae.cli import progress  # tqdm

    representation = presets.representation(chosen(model, settings).representation)
    with progress.counting("file") as advance:
        report = data_prep.prepare(
            inputs,
            output,
            representation,
            workers=workers,
            tracks=tracks or None,
            dedupe=dedupe,
            force=force,
            progress=advance,
        )
    if as_json:
        click.echo(json.dumps({"command": "prepare", "model": model, "output": str(output), **vars(report)}, indent=2))
    else:
        say(report, output)


def chosen(model: str, settings: tuple[str, ...]) -> Config:
    """The config of a model folder or a preset."""
    from musevae import config, presets  # numpy

    if not Path(model).exists():
        return presets.preset(model, settings)
    from musevae.checkpoint import load_config  # torch

    return config.override(load_config(Path(model)), settings)


def say(report: Report, output: Path) -> None:
    """Print what went into the dataset and what did not."""
    click.echo(f"{report.files} files read, {len(report.unreadable)} of them unreadable")
    for reason in list(report.unreadable.values())[:UNREADABLE_SHOWN]:
        click.echo(f"  {reason}")
    if len(report.unreadable) > UNREADABLE_SHOWN:
        click.echo(f"  ... ({output / 'manifest.json'} names more)")
    for split, count in report.windows.items():
        click.echo(f"{split}: {count} windows, after {report.duplicates[split]} duplicates were dropped")
    left_out = ", ".join(
        f"{count} {reason}" for reason, count in sorted(report.skipped.items()) if reason != "unreadable"
    )
    click.echo(f"left out: {left_out or 'nothing'}")
    click.echo(f"dataset: {click.format_filename(output)}")
