"""The figures on VAEs: musevae image figures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from musevae.cli import options, pictures
from musevae.cli.job import folder
from musevae.cli.processor import set_up_cpu
from musevae.cli.training import training_errors


@click.command()
@click.option("--data", type=pictures.DATA, help="Folder of images.  [default: images that the model makes]")
@pictures.model_option
@options.out_folder
@click.option(
    "--epochs", type=click.IntRange(1), default=10, show_default=True, help="Of the small models that are trained."
)
@click.option("--only", "names", metavar="NAME", multiple=True, help="Only this figure; repeatable.")
@options.seed
@options.auto_device
@options.threads
@options.force
@options.as_json
def figures(
    data: Path | None,
    model: str,
    output: Path,
    epochs: int,
    names: tuple[str, ...],
    seed: int,
    device: str,
    threads: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Draw what VAEs are about, in ten figures.

    latent-scatter, manifold, samples, reconstructions, interpolations, arithmetic, traversals, draw-canvases,
    rate-distortion, bound-against-k. Small models that some of them compare are trained on the way: in a minute or
    so on images that the model makes, in full on those of --data.
    """
    from musevae.cli import progress
    from musevae.extras import extra

    with extra("images"):
        from musevae.figures import gallery, studio  # torch, matplotlib

    chosen, loaded = gallery.chosen(names), pictures.load(model, device)
    set_up_cpu(loaded.vae, studio.BATCH, threads)
    paths = pictures.free_paths(output, [f"{loaded.name}-{name}-s{seed}" for name in chosen], force)
    draw = partial(gallery.draw_figures, loaded, dict(zip(chosen, paths, strict=True)), data=data)
    with folder(output), training_errors(), progress.stages() as advance:
        draw(epochs=epochs, seed=seed, progress=advance)
    pictures.say_written(paths, loaded, seed, as_json)
