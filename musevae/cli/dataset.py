"""From music files to a dataset: prepare."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musevae.cli import options
from musevae.cli.errors import Interrupted, failure

if TYPE_CHECKING:
    from data_prep import Report
    from musevae.config import Config

UNREADABLE_SHOWN = 3
UNREAD = ("unreadable", "too slow", "crashed", "failed", "no split")  # reasons that concern whole files


@dataclass(frozen=True)
class Shares(click.ParamType):  # type: ignore[type-arg]
    """Two numbers from 0 on, less than 1 together."""

    name = "shares"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:  # noqa: ANN401
        """The numbers, or a usage error that says what they may be."""
        try:
            validation, test = map(float, value.split(","))
        except ValueError:
            validation = test = math.nan
        if not (validation >= 0 and test >= 0 and validation + test < 1):
            self.fail(f"{value} is not two shares of less than 1 together, such as 0.05,0.05.", param, ctx)
        return validation, test


class OutputPlace(options.OutputFolder):
    """A folder, to be made where missing, or an address."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The folder's path, an address as it is."""
        return value if "://" in str(value) else super().convert(value, param, ctx)


@click.command()
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=OutputPlace(), required=True, help="Folder for the dataset, or an address such as s3://a/b."
)
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
@click.option(
    "--held-out",
    type=Shares(),
    default="0.05,0.05",
    show_default=True,
    metavar="SHARE,SHARE",
    help="Shares of the pieces for validation and test.",
)
@click.option("--split-seed", type=options.SEEDS, default=0, show_default=True, help="Another one draws other pieces.")
@click.option(
    "--split-csv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table of files and their splits, as Groove's info.csv; files that it lacks are left out.",
)
@click.option(
    "--time-limit",
    type=options.Number(0.001),
    default=60.0,
    show_default=True,
    help="Seconds for a file, which is skipped when they are over.",
)
@click.option(
    "--engine",
    type=click.Choice(["processes", "dask"]),
    default="processes",
    show_default=True,
    help="Where files are read: on this machine, or on a Dask cluster.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster.  [default: --workers local processes]")
@options.settings
@options.force
@options.as_json
def prepare(
    inputs: tuple[str, ...],
    output: Path | str,
    model: str,
    workers: int,
    tracks: tuple[str, ...],
    dedupe: str,
    held_out: tuple[float, float],
    split_seed: int,
    split_csv: Path | None,
    time_limit: float,
    engine: str,
    scheduler: str | None,
    settings: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Make a dataset of music files.

    INPUTS are MIDI files, folders, .zip and .tar archives of them, .txt lists of paths, and addresses such as
    s3://bucket/folder. Folders named train, validation and test decide what goes where, or --split-csv; without them, a
    hash of each piece does, the same for its transposed copies. Interrupted, the same command continues.
    """
    import data_prep  # numpy
    from musevae import presets
    from musevae.cli import progress  # tqdm

    representation = presets.representation(chosen(model, settings).representation)
    with continued(), progress.counting("file") as advance:
        report = data_prep.prepare(
            inputs,
            output,
            representation,
            workers=workers,
            tracks=tracks or None,
            dedupe=dedupe,
            held_out=held_out,
            split_seed=split_seed,
            split_csv=split_csv,
            time_limit_seconds=time_limit,
            engine=engine,
            scheduler=scheduler,
            force=force,
            progress=advance,
        )
    if as_json:
        click.echo(json.dumps({"command": "prepare", "model": model, "output": str(output), **vars(report)}, indent=2))
    else:
        say(report, output)


@contextmanager
def continued() -> Iterator[None]:
    """Say, of an interruption, how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise failure("interrupted: the same command continues where this one stopped", Interrupted) from None


def chosen(model: str, settings: tuple[str, ...]) -> Config:
    """The config of a model folder or a preset."""
    from musevae import presets  # numpy
    from musevae.config.reading import override

    if not Path(model).exists():
        return presets.preset(model, settings)
    from musevae.checkpoint import load_music_config  # torch

    return override(load_music_config(Path(model)), settings)


def say(report: Report, output: Path | str) -> None:
    """Print what went into the dataset and what did not."""
    skipped = dict(report.skipped)
    unread = {reason: skipped.pop(reason) for reason in UNREAD if reason in skipped}
    told = [f"{unread.pop('unreadable', 0)} of them unreadable", *(f"{count} {why}" for why, count in unread.items())]
    click.echo(f"{report.files} files read, {', '.join(told)}")
    for reason in list(report.unreadable.values())[:UNREADABLE_SHOWN]:
        click.echo(f"  {reason}")
    if len(report.unreadable) > UNREADABLE_SHOWN:
        click.echo(f"  ... ({output}/manifest.json names more)")
    for split, count in report.windows.items():
        dropped, pieces = report.duplicates[split], report.pieces[split]
        of_pieces = f"{pieces} piece{'s' * (pieces != 1)}"
        click.echo(f"{split}: {count} windows of {of_pieces}, after {dropped} duplicates were dropped")
    left_out = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
    click.echo(f"left out: {left_out or 'nothing'}")
    click.echo(f"dataset: {click.format_filename(output)}")
