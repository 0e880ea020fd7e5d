"""The image side: train, evaluate, sample, interpolate, arithmetic."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musevae.cli import options
from musevae.cli.errors import OneLineErrors
from musevae.cli.job import numbered
from musevae.cli.pictures import (
    DATA,
    DEFAULT_MODEL,
    Pictures,
    chosen,
    held,
    label_option,
    load,
    split_option,
    with_pictures,
)
from musevae.cli.processor import set_up_cpu
from musevae.cli.training import run_training, say_figures, say_result

if TYPE_CHECKING:
    from musevae.images.image_set import ImageSet
    from musevae.trained_image_model import Pixels, TrainedImageModel

COLUMNS = 8  # of a sheet of samples
TIMES = (-2.0, -1.0, 0.0, 1.0, 2.0)  # that an attribute's vector is added

data_option = click.option("--data", type=DATA, required=True, help="Folder of images: idx files, CelebA or pictures.")


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
    set_up_cpu(loaded.vae, BATCH, threads)
    measure = partial(evaluate_images, loaded.vae, data, split, draws=iwae, images=images, seed=seed)
    with progress.counting("image") as advance:
        figures = measure(progress=advance)
    say_figures({"model": loaded.name, "split": split, **figures}, as_json)


@image.command()
@click.option("-n", type=click.IntRange(1, options.MAX_TUNES), default=64, show_default=True, help="How many images.")
@click.option(
    "--temperature", type=options.Number(0), default=1.0, show_default=True, help="Less: clearer and more alike."
)
@label_option
@click.option("--separate", is_flag=True, help="Write a file for each image, not one sheet of all.")
@with_pictures
def sample(n: int, temperature: float, label: int | None, separate: bool, pictures: Pictures) -> None:
    """Make new images."""
    model = pictures.load()
    stem = f"{model.name}-sample-s{pictures.seed}"
    paths = pictures.paths(*(numbered(stem, n) if separate else [stem]))
    labels = None if label is None else [label] * n
    made = model.sample(n, temperature=temperature, seed=pictures.seed, labels=labels)
    sheets = [made[index : index + 1] for index in range(n)] if separate else [made]
    pictures.finish(model, sheets, COLUMNS, paths, temperature=temperature)


@image.command()
@click.argument("a")
@click.argument("b")
@click.option("-n", type=click.IntRange(2, options.MAX_TUNES), default=9, show_default=True, help="How many.")
@click.option("--straight", is_flag=True, help="On a straight line, not on a great circle.")
@label_option
@click.option("--data", type=DATA, help="Folder of images, of which A and B are numbers, from 0.")
@split_option
@with_pictures
def interpolate(
    a: str,
    b: str,
    n: int,
    straight: bool,
    label: int | None,
    data: Path | None,
    split: str,
    pictures: Pictures,
) -> None:
    """Make the images between two images, ends included, as a strip.

    A and B are picture files or, with --data, numbers of images in its split.
    """
    model = pictures.load()
    paths = pictures.paths(f"{Path(a).stem}-{Path(b).stem}-interpolated-s{pictures.seed}")
    start, end = chosen((a, b), model, data, split)
    pictures.finish(model, [model.interpolate(start, end, n, straight=straight, label=label)], n, paths)


@image.command()
@click.argument("images", nargs=-1, metavar="[X A B]")
@click.option("--attribute", help="Attribute whose vector is added to images, -2 to 2 times.")
@click.option("-n", type=click.IntRange(1, 1000), default=8, show_default=True, help="How many images to add it to.")
@label_option
@click.option("--data", type=DATA, help="Folder of images: with the attribute or without, or X A B by number.")
@split_option
@with_pictures
def arithmetic(
    images: tuple[str, ...],
    attribute: str | None,
    n: int,
    label: int | None,
    data: Path | None,
    split: str,
    pictures: Pictures,
) -> None:
    """Compute with images.

    X - A + B, or images with the vector of an attribute added, in several strengths.

    X, A and B are picture files or, with --data, numbers of images in its split; a strip shows all three and the
    result. Attributes are those of CelebA's list, and of grey images thickness, slant and width (above the median).
    """
    if bool(images) == bool(attribute) or len(images) not in (0, 3) or (attribute and not data):
        raise click.UsageError("Give three images X A B, or --attribute NAME and --data FOLDER.")
    model = pictures.load()
    if attribute and data:
        paths = pictures.paths(f"{model.name}-{attribute}-arithmetic-s{pictures.seed}")
        pictures.finish(model, [strips(model, held(data, model)[split], attribute, n)], len(TIMES), paths)
        return
    paths = pictures.paths("-".join([*(Path(name).stem for name in images), f"arithmetic-s{pictures.seed}"]))
    x, a, b = chosen(images, model, data, split)
    pictures.finish(model, [model.arithmetic(x, a, b, label=label)], 4, paths)


def strips(model: TrainedImageModel, images: ImageSet, attribute: str, n: int) -> Pixels:
    """The first `n` of the images with an attribute's vector added, a row each."""
    from musevae.images.attributes import dividing  # numpy

    labels = images.labels if model.config.model.labels else None
    return model.attribute_strips(images.pixels, dividing(images, attribute), n, TIMES, labels=labels)
