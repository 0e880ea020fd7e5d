"""From tunes to points of the latent space and back: encode, decode."""

from __future__ import annotations

import json
from pathlib import Path

import click

from musevae.cli import options
from musevae.cli.generation import TUNE
from musevae.cli.job import Job, check_free, described, folder, load, numbered, say_excerpts, with_job
from musevae.cli.processor import set_up_cpu


@click.command()
@click.argument("tunes", nargs=-1, required=True, type=TUNE)
@options.model
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="z.npz",
    show_default=True,
    help="File to write.",
)
@options.track
@options.bar
@options.cpu_device
@options.force
@options.as_json
def encode(
    tunes: tuple[Path, ...],
    model: str,
    output: Path,
    track: str | None,
    bar: int | None,
    device: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write tunes as points of latent space.

    The .npz file holds the posterior means z (N, Z) float32, the tunes' names and qpm, and the model's name.
    """
    from musevae.points import Points, write_points  # numpy

    check_free([output], force=force)
    loaded = load(model, device)
    set_up_cpu(loaded.vae, len(tunes))
    excerpts = [loaded.excerpt(tune, track=track, bar=bar) for tune in tunes]
    z = loaded.encode(excerpts)
    with folder(output.parent):
        write_points(Points(z, [e.name for e in excerpts], [e.qpm for e in excerpts], loaded.name), output)
    if as_json:
        about = {"command": "encode", "model": loaded.name, "files": [str(output)], "shape": list(z.shape)}
        click.echo(json.dumps({**about, "excerpts": described(excerpts, loaded)}, indent=2))
        return
    say_excerpts(excerpts, loaded)
    click.echo(f"{click.format_filename(output)}: z {z.shape} of model {loaded.name}")


@click.command()
@click.argument("points", type=click.Path(path_type=Path))
@with_job
def decode(points: Path, job: Job) -> None:
    """Make the tunes of points of latent space.

    POINTS is a .npz file with an array z (N, Z), as `musevae encode` or numpy.savez(file, z=z) writes it.
    """
    from musevae.points import read_points  # numpy

    model = load(job.model, job.device)
    held = read_points(points, model.vae.z_size)
    set_up_cpu(model.vae, len(held.z))
    paths = job.paths(numbered(f"{points.stem}-decoded-s{job.seed}", len(held.z)))
    if held.model not in ("", model.name):
        click.echo(f"note: {points.name} was encoded by {held.model}, not by {model.name}", err=True)
    tunes = model.decode(held.z, temperature=job.temperature, seed=job.seed, qpm=job.qpm or held.qpm)
    job.finish(model, tunes, paths)
