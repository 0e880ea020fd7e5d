"""What is in a dataset: dataset info, and dataset export for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musevae.cli import options
from musevae.cli.errors import OneLineErrors
from musevae.cli.job import check_free, folder, numbered, write

if TYPE_CHECKING:
    from data_prep.statistics import Statistics

TITLES = {  # histogram -> what it counts, by what
    "pitch": "notes by pitch, drums left out",
    "drum_pitch": "drum notes by pitch",
    "program": "notes by program, drums left out",
    "length_quarters": "notes by length in quarters, drums left out",
    "notes_per_bar": "bars by the notes that begin in them",
    "time_signature": "bars by time signature",
    "qpm": "notes by tempo in qpm",
    "bars": "pieces by length in bars",
}
OPTIONAL = ("pieces", "duplicates", "skipped", "examples", "unreadable")  # objects that not every manifest has
SHOWN = 12  # rows of a histogram, labels of an axis
NAMED = 3  # examples of a reason, unreadable files
BAR_WIDTH = 40  # characters
DATASET = click.Path(path_type=Path)


@click.group("dataset", cls=OneLineErrors)
def dataset() -> None:
    """Look into a dataset, and hand it to other programs."""


@dataset.command()
@click.argument("data", metavar="FOLDER", type=DATASET)
@click.option("--plot", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Draw the histograms.")
@click.option("--listen", metavar="N", type=click.IntRange(1, options.MAX_TUNES), help="Write N windows as MIDI.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="train", show_default=True)
@options.out_folder
@options.seed
@options.force
@options.as_json
def info(
    data: Path,
    plot: Path | None,
    listen: int | None,
    split: str,
    output: Path,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Say what is in a dataset, draw it, or hear some of it.

    With --listen, windows drawn at random from --split go into -o as music, as a model will see them.
    """
    from data_prep.export import listening  # numpy
    from data_prep.statistics import read_statistics
    from musevae.music.shards import read_manifest

    manifest, statistics = read_manifest(data), read_statistics(data)
    lines = list(described(manifest, statistics, data))
    paths = [output / f"{name}.mid" for name in numbered(f"{data.resolve().name}-{split}-s{seed}", listen or 0)]
    files = [*([plot] if plot else []), *paths]
    if files:
        check_free(files, force=force)
    tunes = listening(data, split, len(paths), seed) if paths else []
    if plot:
        draw(statistics, plot, data)
    if paths:
        write(tunes, paths)
    if as_json:
        written = {"files": [str(path) for path in files], **({"seed": seed} if paths else {})}
        click.echo(json.dumps({"command": "dataset info", "dataset": str(data), **manifest, **written}, indent=2))
        return
    for line in (*lines, *map(click.format_filename, files)):
        click.echo(line)


@dataset.command()
@click.argument("data", metavar="FOLDER", type=DATASET)
@click.option("-o", "--output", type=options.OutputFolder(), required=True, help="Folder for the files.")
@click.option("--format", "form", type=click.Choice(["parquet", "huggingface"]), required=True, help="What to write.")
@options.force
@options.as_json
def export(data: Path, output: Path, form: str, force: bool, as_json: bool) -> None:
    """Write a dataset for other programs.

    parquet: a file for each split; huggingface: a DatasetDict for datasets.load_from_disk. The column `events` holds
    the windows.
    """
    from data_prep.export import export  # numpy
    from musevae.music.shards import read_manifest

    with folder(output):
        paths = export(data, output, form, force=force)
    windows = read_manifest(data)["windows"]
    if as_json:
        files = {split: {"path": str(path), "windows": windows[split]} for split, path in paths.items()}
        about = {"command": "dataset export", "dataset": str(data), "format": form, "output": str(output)}
        click.echo(json.dumps({**about, "splits": files}, indent=2))
        return
    for split, path in paths.items():
        click.echo(f"{click.format_filename(path)}: {windows[split]} windows")


def described(manifest: Mapping[str, Any], statistics: Statistics | None, data: Path) -> Iterator[str]:
    """What a manifest holds, line by line."""
    found = {key: part(manifest, key, data) for key in OPTIONAL}
    kind = dict(manifest["representation"])
    shape = " x ".join(map(str, manifest["window_shape"]))
    yield f"{click.format_filename(data)}: {kind.pop('name', 'unknown')}, windows of {shape} {manifest['dtype']}"
    yield f"representation: {listed({name: setting(name, value) for name, value in kind.items()})}"
    yield from (f"source: {held['name']}, {held.get('files', '?')} files" for held in manifest.get("sources") or [])
    if found["pieces"]:
        yield f"pieces: {listed(found['pieces'])}"
    yield f"windows: {listed(manifest['windows'])}"
    yield f"duplicates dropped ({manifest.get('dedupe', 'unknown')}): {listed(found['duplicates'])}"
    for reason, count in found["skipped"].items():
        yield f"left out: {count} {reason}"
        yield from (f"  {example}" for example in list(found["examples"].get(reason, ()))[:NAMED])
    yield from (f"unreadable: {text}" for text in list(found["unreadable"].values())[:NAMED])
    if len(found["unreadable"]) > NAMED:
        yield f"  ... (the manifest names {len(found['unreadable'])})"
    if statistics is None:
        yield "statistics: none; prepare the dataset again for some"
        return
    yield f"statistics: {statistics.pieces:,} pieces, {statistics.notes:,} notes, {statistics.windows:,} windows"
    for name, title in TITLES.items():
        yield from histogram(title, statistics.rows(name))


def histogram(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    """The fullest rows of a histogram, in order, as bars; no line of none."""
    if not counts:
        return
    total, fullest = sum(counts.values()), sorted(counts, key=lambda key: -counts[key])[:SHOWN]
    yield f"\n{title}"
    for key in (key for key in counts if key in fullest):
        bar = "#" * round(BAR_WIDTH * counts[key] / counts[fullest[0]])
        yield f"{key:>22} {counts[key] / total:6.1%} {bar}".rstrip()
    if others := total - sum(counts[key] for key in fullest):
        yield f"{'others':>22} {others / total:6.1%}"


def listed(items: Mapping[str, Any]) -> str:
    """Names and values in one line."""
    return ", ".join(f"{name} {value}" for name, value in items.items()) or "none"


def setting(name: str, value: object) -> object:
    """A parameter as --set takes it."""
    return ("/" if name == "time_signature" else ",").join(map(str, value)) if isinstance(value, list) else value


def part(manifest: Mapping[str, Any], key: str, data: Path) -> dict[str, Any]:
    """An object of the manifest that may be missing; ValueError where it is something else."""
    value = manifest.get(key) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{click.format_filename(data / 'manifest.json')} is damaged at {key!r}: prepare it again")
    return value


def draw(statistics: Statistics | None, path: Path, data: Path) -> None:
    """Draw the histograms into a file of a format that its suffix names."""
    from musevae.extras import extra

    if statistics is None:
        raise ValueError(f"{click.format_filename(data)} has no statistics to draw: prepare it again")
    with extra("plot"):
        from matplotlib.figure import Figure  # an extra
    from musevae.files import replaced

    figure = Figure(figsize=(12, 12), layout="constrained")
    if path.suffix[1:] not in figure.canvas.get_supported_filetypes():
        raise ValueError(f"{click.format_filename(path)} is no picture: name it .png, .pdf or .svg")
    filled = [(title, bins) for name, title in TITLES.items() if (bins := statistics.bins(name))]
    for place, (title, bins) in enumerate(filled, 1):
        axes = figure.add_subplot((len(filled) + 1) // 2, 2, place, title=title)
        axes.bar(range(len(bins)), list(bins.values()), width=0.9)
        every = len(bins) // SHOWN + 1
        axes.set_xticks(range(0, len(bins), every), list(bins)[::every])
    with folder(path.parent), replaced(path) as file:
        figure.savefig(file, format=path.suffix[1:])
