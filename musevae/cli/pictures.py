"""What all commands that make pictures have in common, from their options to the files and the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musevae.cli import options
from musevae.cli.job import check_free, folder, with_options

if TYPE_CHECKING:
    from musevae.images.image_set import ImageSet
    from musevae.trained_image_model import Pixels, TrainedImageModel

DEFAULT_MODEL = "mnist-mlp"
DATA = click.Path(path_type=Path)

model_option = click.option(
    "-m", "--model", default=DEFAULT_MODEL, show_default=True, help="Bundled model, model folder or run folder."
)
label_option = click.option(
    "--label", type=click.IntRange(0), help="Label of all, of a conditional model.  [default of samples: in turn]"
)
split_option = click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)


@dataclass(frozen=True)
class Pictures:
    """The options that sample, interpolate and arithmetic share."""

    model: str
    output: Path
    seed: int
    device: str
    force: bool
    as_json: bool

    def load(self) -> TrainedImageModel:
        """The model, on its device."""
        return load(self.model, self.device)

    def paths(self, *names: str) -> list[Path]:
        """Where pictures go; refused, before anything is computed, where files would be overwritten."""
        return free_paths(self.output, names, self.force)

    def finish(
        self,
        model: TrainedImageModel,
        sheets: Sequence[Pixels],
        columns: int,
        paths: Sequence[Path],
        **settings: float,
    ) -> None:
        """Write images as sheets of so many columns, each file whole or not at all, and say what was written."""
        from musevae.images.sheets import sheet, write_png  # numpy

        with folder(paths[0].parent):
            for images, path in zip(sheets, paths, strict=True):
                write_png(sheet(images, columns), path)
        say_written(paths, model, self.seed, self.as_json, **settings)


WRITING = options.together(
    model_option, options.out_folder, options.seed, options.cpu_device, options.force, options.as_json
)
with_pictures = with_options(Pictures, "pictures", WRITING)


def load(model: str, device: str) -> TrainedImageModel:
    """The image model of a name or folder, on its device."""
    from musevae import pretrained  # torch
    from musevae.training.device import torch_device

    return pretrained.load_images(model, torch_device(device))


def free_paths(output: Path, names: Sequence[str], force: bool) -> list[Path]:
    """Files `NAME.png`; refused where they would overwrite others."""
    paths = [output / f"{name}.png" for name in names]
    check_free(paths, force=force)
    return paths


def say_written(paths: Sequence[Path], model: TrainedImageModel, seed: int, as_json: bool, **settings: float) -> None:
    """Say which files were written, by what and how."""
    if as_json:
        about = {"command": click.get_current_context().command_path.removeprefix("musevae "), "model": model.name}
        click.echo(json.dumps({**about, **settings, "seed": seed, "files": [str(path) for path in paths]}, indent=2))
        return
    for path in paths:
        click.echo(click.format_filename(path))
    how = "".join(f", {name} {value:g}" for name, value in settings.items())
    click.echo(f"model {model.name}{how}, seed {seed}")


def held(data: Path, model: TrainedImageModel) -> dict[str, ImageSet]:
    """The splits of a folder, of the model's size."""
    from musevae.images.reading import read_images  # numpy

    channels, height, width = model.config.images.shape
    return read_images(data, channels=channels, height=height, width=width)


def chosen(names: Sequence[str], model: TrainedImageModel, data: Path | None, split: str) -> list[Pixels]:
    """Images (C, H, W): picture files, or numbers of those in a folder's split."""
    from musevae.images.sheets import read_picture  # numpy

    channels, height, width = model.config.images.shape
    if data is None:
        for name in names:
            if name.isdecimal() and not Path(name).exists():
                raise click.UsageError(f"{name} is no picture file; of images by number, --data says where they are.")
        return [read_picture(Path(name), channels, height, width) for name in names]
    pixels = held(data, model)[split].pixels
    for name in names:
        if not name.isdecimal() or int(name) >= len(pixels):
            raise click.UsageError(f"{name} is no number of an image: with --data, give numbers below {len(pixels)}.")
    return [pixels[int(name)] for name in names]
