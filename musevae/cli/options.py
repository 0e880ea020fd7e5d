"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

DEFAULT_MODEL = "melody-2bar"  # what pretrained.DEFAULT says; that module would load torch
DEFAULT_TEMPERATURE = 0.5  # likewise trained_model.DEFAULT_TEMPERATURE
MAX_TUNES = 100_000  # of one call
MAX_WINDOWS = 10_000  # of one tune
MAX_DRAWS = 1_000_000  # of z for one example
FRESH_SEEDS = 1_000_000  # few enough digits for a file name
SEEDS = click.IntRange(0, 2**63 - 1)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Number(click.ParamType):  # type: ignore[type-arg]
    """A finite number from `low` to `high`."""

    low: float
    high: float = math.inf
    name = "number"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error that says what it may be."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and self.low <= number <= self.high):
            limits = f"at least {self.low:g}" if math.isinf(self.high) else f"from {self.low:g} to {self.high:g}"
            self.fail(f"{value} is not a number {limits}.", param, ctx)
        return number


class OutputFolder(click.Path):
    """A folder, to be made where missing."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401
        """The folder's path; a name that is a music file's is taken for a mistake."""
        if str(value).lower().endswith((".mid", ".midi", ".kar")):
            self.fail(f"{value} looks like a file; give the folder for the files.", param, ctx)
        return Path(os.fsdecode(super().convert(value, param, ctx)))


def fresh_seed(context: click.Context, parameter: click.Parameter, seed: int | None) -> int:
    """The seed given, or a fresh one."""
    return secrets.randbelow(FRESH_SEEDS) if seed is None else seed


model = click.option(
    "-m", "--model", default=DEFAULT_MODEL, show_default=True, help="Bundled model, model folder or run folder."
)
out_folder = click.option(
    "-o",
    "--output",
    type=OutputFolder(),
    default="out",
    show_default=True,
    help="Folder for the files; made where missing.",
)
seed = click.option(
    "--seed", type=SEEDS, callback=fresh_seed, help="Makes the result repeatable; a fresh one where none is given."
)
temperature = click.option(
    "--temperature",
    type=Number(0),
    default=DEFAULT_TEMPERATURE,
    show_default=True,
    help="0: most probable; 1: as trained.",
)
qpm = click.option(
    "--qpm", type=Number(4, 1000), help="Tempo in quarter notes per minute.  [default: the tune's, else 120]"
)
track = click.option("--track", metavar="NAME|INDEX", help="Track to read.  [default: the melody with most notes]")
bar = click.option("--bar", type=click.IntRange(1), help="Bar to read from.  [default: the first with a note]")
force = click.option("--force", is_flag=True, help="Overwrite existing files.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
settings = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the preset, as in train.beta=0.1; repeatable."
)
iwae = click.option(
    "--iwae",
    type=click.IntRange(2, MAX_DRAWS),
    metavar="K",
    help="Also the bound of K draws of z, which comes nearer to log p(x): iwae_nats.",
)
threads = click.option(
    "--threads",
    type=click.IntRange(1),
    help="CPU threads.  [default: what the model's size, the cores and the machine's load warrant]",
)
DEVICE_HELP = "auto, cpu or cuda."
auto_device = click.option("--device", default="auto", show_default=True, help=DEVICE_HELP)
cpu_device = click.option("--device", default="cpu", show_default=True, help=DEVICE_HELP)


def tune_count(default: int, least: int = 1) -> Callable[[Command], Command]:
    """`-n`, the number of tunes."""
    return click.option(
        "-n", type=click.IntRange(least, MAX_TUNES), default=default, show_default=True, help="How many."
    )


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, listed in this order by --help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
