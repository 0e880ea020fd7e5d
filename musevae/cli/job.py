"""A job: what all commands that make music have in common, from their options to the files and the report."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from musevae.cli import options
from musevae.cli.processor import set_up_cpu

if TYPE_CHECKING:
    from musevae.music.note_sequence import NoteSequence
    from musevae.trained_model import Excerpt, TrainedModel


Decorator: TypeAlias = "Callable[[Callable[..., None]], Callable[..., None]]"


@dataclass(frozen=True)
class Job:
    """The options that sample, interpolate, reconstruct, similar and decode share."""

    model: str
    output: Path
    seed: int
    temperature: float
    qpm: float | None
    device: str
    force: bool
    as_json: bool

    def load(self, tunes: int) -> TrainedModel:
        """The model, on its device, to make so many tunes."""
        model = load(self.model, self.device)
        set_up_cpu(model.vae, tunes)
        return model

    def paths(self, names: Iterable[str]) -> list[Path]:
        """Where the tunes go; refused, before anything is computed, where files would be overwritten."""
        paths = [self.output / f"{name}.mid" for name in names]
        check_free(paths, force=self.force)
        return paths

    def finish(
        self,
        model: TrainedModel,
        tunes: Sequence[NoteSequence],
        paths: Sequence[Path],
        excerpts: Sequence[Excerpt] = (),
        **figures: int | float,
    ) -> None:
        """Write the tunes, each file whole or not at all, and say what was written."""
        write(tunes, paths)
        if self.as_json:
            about = {"command": click.get_current_context().info_name, "model": model.name, "seed": self.seed}
            files = [str(path) for path in paths]
            read = {"excerpts": described(excerpts, model)} if excerpts else {}
            click.echo(
                json.dumps({**about, "temperature": self.temperature, **figures, "files": files, **read}, indent=2)
            )
            return
        say_excerpts(excerpts, model)
        for path in paths:
            click.echo(click.format_filename(path))
        extras = "".join(f", {name} {value}" for name, value in figures.items() if value)
        click.echo(f"model {model.name}, temperature {self.temperature:g}, seed {self.seed}{extras}")


SHARED = options.together(
    options.model,
    options.out_folder,
    options.seed,
    options.temperature,
    options.qpm,
    options.cpu_device,
    options.force,
    options.as_json,
)


def with_options(kind: type, name: str, shared: Decorator) -> Decorator:
    """Give a command the options `shared`, which are the fields of a dataclass, as its argument `name`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**values: Any) -> None:  # noqa: ANN401 - the command's own options
            given = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            command(**{name: given}, **values)

        return shared(run)

    return decorate


with_job = with_options(Job, "job", SHARED)


def load(model: str, device: str) -> TrainedModel:
    """The model of a name or folder, on its device."""
    from musevae import pretrained  # torch
    from musevae.training.device import torch_device

    return pretrained.load_music(model, torch_device(device))


def numbered(stem: str, n: int) -> list[str]:
    """`stem-000`, `stem-001`, ..."""
    return [f"{stem}-{index:03d}" for index in range(n)]


def check_free(paths: Sequence[Path], *, force: bool) -> None:
    """A complaint where two outputs have one name, or where a file exists and `force` is not given."""
    name, count = Counter(path.name for path in paths).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} inputs would be written as {name}: give them different names, or one at a time")
    taken = [path for path in paths if path.exists()]
    if taken and not force:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ValueError(f"{click.format_filename(taken[0])} exists{more}: --force overwrites, -o or --seed avoids it")


def write(tunes: Sequence[NoteSequence], paths: Sequence[Path]) -> None:
    """Write the tunes into their folder."""
    from musevae.music.midi import write_midi  # numpy

    with folder(paths[0].parent):
        for tune, path in zip(tunes, paths, strict=True):
            write_midi(tune, path)


@contextmanager
def folder(path: Path) -> Iterator[None]:
    """Make the folder where missing, and take it away again if the block fails and leaves it empty."""
    made = [part for part in (path, *path.parents) if not part.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for part in made:
            with suppress(OSError):  # not empty, or never made
                part.rmdir()
        raise


def say_excerpts(excerpts: Sequence[Excerpt], model: TrainedModel) -> None:
    """Say which bars were read of the tunes that are longer than the model's window."""
    for excerpt in excerpts:
        if not excerpt.whole:
            last = excerpt.bar + model.representation.bars - 1
            kind = model.representation.name
            click.echo(f"{excerpt.name}: bars {excerpt.bar}-{last} of the {kind} (--bar N chooses others)")


def described(excerpts: Sequence[Excerpt], model: TrainedModel) -> list[dict[str, Any]]:
    """The excerpts for --json."""
    bars = model.representation.bars
    return [{"name": e.name, "bar": e.bar, "bars": bars, "whole": e.whole} for e in excerpts]
