"""The image side: train, evaluate, sample, interpolate, arithmetic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musevae.cli import options
from musevae.cli.errors import OneLineErrors
from musevae.cli.job import check_free, folder, numbered
from musevae.cli.training import run_training, say_figures, say_result, use_threads

if TYPE_CHECKING:
    from musevae.images.image_set import ImageSet
    from musevae.trained_image_model import Pixels, TrainedImageModel

DEFAULT_MODEL = "mnist-mlp"
COLUMNS = 8  # of a sheet of samples
WITHIN = (-2.0, -1.0, 0.0, 1.0, 2.0)  # times the attribute vector
DATA = click.Path(path_type=Path)

model_option = click.option(
    "-m", "--model", default=DEFAULT_MODEL, show_default=True, help="Bundled model, model folder or run folder."
)
label_option = click.option(
    "--label",
    type=click.IntRange(0),
    help="Label of all, of a conditional model.  [default of samples: in turn]",
)
data_option = click.option("--data", type=DATA, required=True, help="Folder of images: idx files, CelebA or pictures.")
split_option = click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)
WRITING = options.together(
    model_option, options.out_folder, options.seed, options.cpu_device, options.force, options.as_json
)


@click.group(cls=OneLineErrors)
def image() -> None:
    """Train and use VAEs of images, the baselines."""


@image.command()
@click.argument("preset")
@data_option
@click.option("--run", type=options.OutputFolder(), required=True, help="Folder for the model, checkpoints and log.")
@options.settings
@options.seed
@options.auto_device
@options.threads
@click.option("--resume", is_flag=True, help="Continue the run from its last checkpoint.")
@click.option("--init-from", metavar="MODEL", help="Model whose weights to start from (fine-tuning).")
@options.as_json
def train(preset: str, data: Path, run: Path, settings: tuple[str, ...], as_json: bool, **given: Any) -> None:  # noqa: ANN401
    """Train a preset on a folder of images.

    `musevae models` lists the presets, --set train.epochs=N sets the length. RUN becomes a model folder: the best so
    far by validation. Ctrl-C and SIGTERM write a checkpoint first; --resume goes on from there.
    """
    from musevae import presets  # numpy

    presets.image_preset(preset, settings)  # raises for music's
    result = run_training(preset, data, run, settings=settings, **given)
    say_result(preset, result, as_json, "see it with: musevae image sample -m")


@image.command()
@click.argument("model", default=DEFAULT_MODEL)
@data_option
@split_option
@options.iwae
@click.option("-n", "images", type=click.IntRange(1), help="Only the first so many images.  [default: all]")
@click.option("--seed", type=options.SEEDS, default=0, show_default=True, help="Of z and of what is random in images.")
@options.auto_device
@options.threads
@options.as_json
def evaluate(
    model: str,
    data: Path,
    split: str,
    iwae: int | None,
    images: int | None,
    seed: int,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure a model on held-out images."""
    from musevae.cli import progress
    from musevae.training.evaluate_images import BATCH, evaluate_images  # torch

    loaded = load(model, device)
    use_threads(threads, loaded.vae.config, BATCH)
    measure = partial(evaluate_images, loaded.vae, data, split, draws=iwae, images=images, seed=seed)
    with progress.counting("image") as advance:
        figures = measure(progress=advance)
    say_figures({"model": loaded.name, "split": split, **figures}, as_json)


@image.command()
@click.option("-n", type=click.IntRange(1, options.MAX_TUNES), default=64, show_default=True, help="How many images.")
@label_option
@click.option("--separate", is_flag=True, help="Write a file for each image, not one sheet of all.")
@WRITING
def sample(
    n: int,
    label: int | None,
    separate: bool,
    model: str,
    output: Path,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
) -> None:
    """Make new images."""
    loaded = load(model, device)
    stem = f"{loaded.name}-sample-s{seed}"
    paths = pictures(output, numbered(stem, n) if separate else [stem], force)
    made = loaded.sample(n, seed=seed, labels=None if label is None else [label] * n)
    sheets = [made[index : index + 1] for index in range(n)] if separate else [made]
    finish([sheet_of(part, COLUMNS) for part in sheets], paths, loaded, seed, as_json)


@image.command()
@click.argument("a")
@click.argument("b")
@click.option("-n", type=click.IntRange(2, options.MAX_TUNES), default=9, show_default=True, help="How many.")
@click.option("--straight", is_flag=True, help="On a straight line, not on a great circle.")
@label_option
@click.option("--data", type=DATA, help="Folder of images, of which A and B are numbers, from 0.")
@split_option
@WRITING
def interpolate(
    a: str,
    b: str,
    n: int,
    straight: bool,
    label: int | None,
    data: Path | None,
    split: str,
    model: str,
    output: Path,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
) -> None:
    """Make the images between two images, ends included, as a strip.

    A and B are picture files or, with --data, numbers of images in its split.
    """
    loaded = load(model, device)
    paths = pictures(output, [f"{Path(a).stem}-{Path(b).stem}-interpolated-s{seed}"], force)
    start, end = chosen((a, b), loaded, data, split)
    made = loaded.interpolate(start, end, n, straight=straight, label=label)
    finish([sheet_of(made, n)], paths, loaded, seed, as_json)


@image.command()
@click.argument("images", nargs=-1, metavar="[X A B]")
@click.option("--attribute", help="Attribute whose vector is added to images, -2 to 2 times.")
@click.option("-n", type=click.IntRange(1, 1000), default=8, show_default=True, help="How many images to add it to.")
@label_option
@click.option("--data", type=DATA, help="Folder of images: with the attribute or without, or X A B by number.")
@split_option
@WRITING
def arithmetic(
    images: tuple[str, ...],
    attribute: str | None,
    n: int,
    label: int | None,
    data: Path | None,
    split: str,
    model: str,
    output: Path,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
) -> None:
    """Compute with images.

    X - A + B, or images with the vector of an attribute added, in several strengths.

    X, A and B are picture files or, with --data, numbers of images in its split; a strip shows all three and the
    result. Attributes are those of CelebA's list, and of grey images thickness, slant and width (above the median).
    """
    if bool(images) == bool(attribute) or len(images) not in (0, 3) or (attribute and not data):
        raise click.UsageError("Give three images X A B, or --attribute NAME and --data FOLDER.")
    loaded = load(model, device)
    if attribute and data:
        from musevae.images.attributes import dividing  # numpy

        paths = pictures(output, [f"{loaded.name}-{attribute}-arithmetic-s{seed}"], force)
        part = held(data, loaded)[split]
        labels = part.labels if loaded.config.model.labels else None
        made = loaded.attribute_strips(part.pixels, dividing(part, attribute), n, WITHIN, labels=labels)
        finish([sheet_of(made, len(WITHIN))], paths, loaded, seed, as_json)
        return
    paths = pictures(output, ["-".join([*(Path(name).stem for name in images), f"arithmetic-s{seed}"])], force)
    found = chosen(images, loaded, data, split)
    finish([sheet_of(loaded.arithmetic(*found, label=label), 4)], paths, loaded, seed, as_json)


def load(model: str, device: str) -> TrainedImageModel:
    """The image model of a name or folder, on its device."""
    from musevae import pretrained  # torch
    from musevae.training.device import torch_device

    return pretrained.load_images(model, torch_device(device))


def held(data: Path, model: TrainedImageModel) -> dict[str, ImageSet]:
    """The splits of a folder, of the model's size."""
    from musevae.images.reading import read_images  # numpy

    channels, height, width = model.config.images.shape
    return read_images(data, channels=channels, height=height, width=width)


def chosen(names: Sequence[str], model: TrainedImageModel, data: Path | None, split: str) -> list[Any]:
    """Images (C, H, W) uint8: picture files, or numbers of those in a folder's split."""
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


def sheet_of(made: Pixels, columns: int) -> Any:  # noqa: ANN401 - an array
    """Images as one picture."""
    from musevae.images.sheets import sheet  # numpy

    return sheet(made, columns)


def pictures(output: Path, names: Sequence[str], force: bool) -> list[Path]:
    """Where pictures go; refused, before anything is computed, where files would be overwritten."""
    paths = [output / f"{name}.png" for name in names]
    check_free(paths, force=force)
    return paths


def finish(made: Sequence[Any], paths: Sequence[Path], model: TrainedImageModel, seed: int, as_json: bool) -> None:
    """Write pictures, each file whole or not at all, and say what was written."""
    from musevae.images.sheets import write_png  # numpy

    with folder(paths[0].parent):
        for picture, path in zip(made, paths, strict=True):
            write_png(picture, path)
    say_written(paths, model, seed, as_json)


def say_written(paths: Sequence[Path], model: TrainedImageModel, seed: int, as_json: bool) -> None:
    """Say which files were written, by what."""
    if as_json:
        about = {"command": click.get_current_context().command_path.removeprefix("musevae "), "model": model.name}
        click.echo(json.dumps({**about, "seed": seed, "files": [str(path) for path in paths]}, indent=2))
        return
    for path in paths:
        click.echo(click.format_filename(path))
    click.echo(f"model {model.name}, seed {seed}")
