"""The commands that make music: sample, interpolate, reconstruct, similar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from musevae.cli import options
from musevae.cli.job import Job, numbered, with_job

TUNE = click.Path(path_type=Path)


@click.command()
@options.tune_count(8)
@click.option(
    "--windows",
    type=click.IntRange(1, options.MAX_WINDOWS),
    default=1,
    show_default=True,
    help="Length of each tune, in windows of the model, on a path through the latent space.",
)
@with_job
def sample(n: int, windows: int, job: Job) -> None:
    """Make new tunes."""
    from musevae.music.note_sequence import DEFAULT_QPM  # numpy

    if n * windows > options.MAX_TUNES:
        raise click.BadParameter(f"{n} tunes of {windows} windows are more than {options.MAX_TUNES} windows in all.")
    model = job.load(n * windows)
    paths = job.paths(numbered(f"{model.name}-sample-s{job.seed}", n))
    chosen: dict[str, Any] = {"temperature": job.temperature, "seed": job.seed, "qpm": job.qpm or DEFAULT_QPM}
    tunes, redrawn = model.sample_counting(n, windows=windows, **chosen)
    job.finish(model, tunes, paths, redrawn=redrawn)


@click.command()
@click.argument("a", type=TUNE)
@click.argument("b", type=TUNE)
@options.tune_count(9, least=2)
@click.option("--join", is_flag=True, help="Write one file with all the tunes in a row.")
@options.track
@options.bar
@with_job
def interpolate(a: Path, b: Path, n: int, join: bool, track: str | None, bar: int | None, job: Job) -> None:
    """Make the tunes between two tunes, ends included."""
    stem = f"{a.stem}-{b.stem}-interpolated-s{job.seed}"
    paths = job.paths([stem] if join else numbered(stem, n))
    model = job.load(n)
    start, end = (model.excerpt(tune, track=track, bar=bar) for tune in (a, b))
    tunes = model.interpolate(start, end, n, temperature=job.temperature, seed=job.seed, qpm=job.qpm)
    if join:
        from musevae.music.note_sequence import concatenate  # numpy

        tunes = [concatenate(tunes)]
    job.finish(model, tunes, paths, [start, end])


@click.command()
@click.argument("tunes", nargs=-1, required=True, type=TUNE)
@options.track
@options.bar
@with_job
def reconstruct(tunes: tuple[Path, ...], track: str | None, bar: int | None, job: Job) -> None:
    """Encode tunes and decode them again."""
    paths = job.paths(f"{tune.stem}-reconstructed-s{job.seed}" for tune in tunes)
    model = job.load(len(tunes))
    excerpts = [model.excerpt(tune, track=track, bar=bar) for tune in tunes]
    made = model.reconstruct(excerpts, temperature=job.temperature, seed=job.seed, qpm=job.qpm)
    job.finish(model, made, paths, excerpts)


@click.command()
@click.argument("tune", type=TUNE)
@options.tune_count(8)
@click.option(
    "--similarity", type=options.Number(0, 1), default=0.8, show_default=True, help="1: the tune; 0: any tune at all."
)
@options.track
@options.bar
@with_job
def similar(tune: Path, n: int, similarity: float, track: str | None, bar: int | None, job: Job) -> None:
    """Make variations of a tune."""
    paths = job.paths(numbered(f"{tune.stem}-similar-s{job.seed}", n))
    model = job.load(n)
    excerpt = model.excerpt(tune, track=track, bar=bar)
    made = model.similar(excerpt, n, similarity=similarity, temperature=job.temperature, seed=job.seed, qpm=job.qpm)
    job.finish(model, made, paths, [excerpt], similarity=similarity)
