"""Music files -> windows of events -> de-duplicated splits -> a dataset, the same bytes wherever the work is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep import places
from data_prep.cluster import Cluster
from data_prep.engines import Engine, InProcess, Job, Processes, time_limit
from data_prep.pieces import Recipe, read_chunk, read_piece
from data_prep.report import Gathering, Report
from data_prep.sources import Fault, Source, find_sources, stream
from data_prep.splits import HELD_OUT, check_held_out, folder_split, read_table, table_split
from data_prep.unfinished import Unfinished, listing
from data_prep.upload import make_room, upload
from musevae.music.representation import Representation
from musevae.music.shards import DatasetError, DatasetWriter

DEDUPE = ("exact", "transposition", "none")
ENGINES = ("processes", "dask")
TIME_LIMIT_SECONDS = 60.0  # for one file
CHUNK_FILES = 64  # what is read, kept and, after an interruption, read again together
CHUNK_BYTES = 1 << 23  # of a .tar's members, which wait in memory

Progress = Callable[[int, int], None]


def prepare(
    inputs: Sequence[str | Path],
    output: str | Path,
    representation: Representation,
    *,
    workers: int = 1,
    tracks: Collection[str] | None = None,
    dedupe: str = "exact",
    held_out: tuple[float, float] = HELD_OUT,
    split_seed: int = 0,
    split_csv: str | Path | None = None,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
    engine: str = "processes",
    scheduler: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Turn music files, folders, archives and lists of paths into the dataset folder `output`, here or at an address.

    `tracks` keeps the tracks of these names only; `dedupe` is "exact", "transposition" (windows alike up to a shift in
    pitch count as one) or "none", within each split. A piece's split is what `split_csv` says, or else the folder that
    names one, or else a hash of its fingerprint, `split_seed` and the shares `held_out` for validation and test.
    `engine` "dask" works on the cluster of `scheduler`. `progress` is called with files done and files in all, 0 where
    that is not known. An interrupted call continues where it stopped. Raises SourceError and SplitError for a bad
    input, DatasetError when `output` holds a dataset or the shards of one already (unless `force`), .npy files of
    others, another's unfinished work, or no window is left, WorkerError when no worker process starts.
    """
    address = str(output) if places.is_address(str(output)) else ""
    names = None if tracks is None else tuple(sorted(tracks))
    recipe = Recipe(representation, names, _one_of("dedupe", dedupe, DEDUPE), held_out, split_seed)
    check_held_out(held_out)
    table = read_table(Path(split_csv)) if split_csv else None
    sources = find_sources(inputs)
    folder = make_room(address, force=force) if address else Path(output)
    work_folder = Unfinished(folder, _plan(recipe, sources, table, time_limit_seconds))
    at_work = _engine(_one_of("engine", engine, ENGINES), workers, scheduler, time_limit_seconds, work_folder)
    work_folder.open(force=force)
    whole = False
    try:
        corpus = Corpus(sources, table)
        _read(corpus, recipe, at_work, work_folder, time_limit_seconds, progress)
        report = _gather(corpus, recipe, table is not None, work_folder)
        whole = True
    except DatasetError:
        whole = True  # nothing to continue
        raise
    finally:
        work_folder.close(whole=whole)
    if address:
        upload(folder, address)
    return report


class Corpus:
    """The sources in numbered jobs; counts them as they go by."""

    def __init__(self, sources: Sequence[Source], table: Mapping[str, str] | None) -> None:
        self._sources, self._table = sources, table
        self.total = 0 if any(source.is_stream for source in sources) else len(sources)
        self.files: Counter[str] = Counter({source.root: 0 for source in sources})
        self.jobs_count = 0

    def jobs(self) -> Iterator[Job]:
        """All sources, each with its split where something names it."""
        group: list[Source] = []
        for source in stream(self._sources):
            self.files[source.root] += 1
            group.append(_placed(source, self._table))
            if len(group) == CHUNK_FILES or sum(len(member.data or b"") for member in group) >= CHUNK_BYTES:
                yield self._job(group)
                group = []
        if group:
            yield self._job(group)

    def _job(self, group: list[Source]) -> Job:
        self.jobs_count += 1
        return Job(self.jobs_count - 1, tuple(group))


def _placed(source: Source, table: Mapping[str, str] | None) -> Source:
    """The source with its split, where the table or else a folder names it; a table leaves out what it lacks."""
    if table is None:
        return source._replace(split=folder_split(source.name))
    split = table_split(source.name, table)
    fault = source.fault if split else Fault("no split", f"{source.name} is not in the table of splits")
    return source._replace(split=split, fault=fault)


def _read(
    corpus: Corpus,
    recipe: Recipe,
    engine: Engine,
    folder: Unfinished,
    seconds: float,
    progress: Progress | None,
) -> None:
    """Have every chunk read that is not kept yet."""
    reading = partial(read_piece, guard=partial(time_limit, seconds))
    done, sizes = 0, {}

    def missing() -> Iterator[Job]:
        nonlocal done
        for job in corpus.jobs():
            if folder.has(job.number):
                done += len(job.sources)
            else:
                sizes[job.number] = len(job.sources)
                yield job

    with closing(engine(partial(read_chunk, recipe=recipe, read=reading), missing())) as chunks:
        for index, data in chunks:
            folder.keep(index, data)
            done += sizes.pop(index)
            if progress:
                progress(done, corpus.total)


def _gather(corpus: Corpus, recipe: Recipe, by_table: bool, folder: Unfinished) -> Report:
    """Write the dataset from the chunks."""
    with folder.shards() as aside:
        gathering = Gathering(DatasetWriter(aside), dedupe=recipe.dedupe != "none")
        for chunk in folder.chunks(corpus.jobs_count):
            gathering.add(chunk)
        report = gathering.finished()
        if not any(report.windows.values()):
            raise DatasetError(_nothing_left(report))
        gathering.writer.finish(folder.output, _manifest(corpus, recipe, by_table, report))
    return report


def _engine(name: str, workers: int, scheduler: str | None, seconds: float, folder: Unfinished) -> Engine:
    if workers < 1:
        raise ValueError(f"workers is {workers}; at least 1 is needed")
    if scheduler and name != "dask":
        raise ValueError(f"a scheduler ({scheduler}) is Dask's: add --engine dask")
    if name == "dask":
        return Cluster(scheduler, workers, seconds)
    return Processes(workers, seconds) if workers > 1 else InProcess(seconds, folder.journal)


def _one_of(what: str, value: str, values: Collection[str]) -> str:
    if value not in values:
        raise ValueError(f"{what} is {value!r}; it must be one of {', '.join(values)}")
    return value


def _about(recipe: Recipe) -> dict[str, Any]:
    representation = recipe.representation
    return {
        "representation": {"name": representation.name, **asdict(representation)},
        "tracks": None if recipe.tracks is None else list(recipe.tracks),
        "dedupe": recipe.dedupe,
    }


def _plan(recipe: Recipe, sources: Iterable[Source], table: Mapping[str, str] | None, seconds: float) -> dict[str, Any]:
    """What makes a preparation this one and no other."""
    splits = {"held_out": recipe.held_out, "split_seed": recipe.split_seed, "table": table}
    return {**_about(recipe), **splits, "time_limit_seconds": seconds, "sources": listing(sources)}


def _manifest(corpus: Corpus, recipe: Recipe, by_table: bool, report: Report) -> dict[str, Any]:
    """Everything the dataset folder says of itself besides its shards."""
    validation, test = recipe.held_out
    return {
        **_about(recipe),
        "window_shape": list(recipe.representation.shape),
        "dtype": np.dtype(recipe.representation.dtype).name,
        "sources": [{"name": name, "files": count} for name, count in corpus.files.items()],
        "split": {"table": by_table, "held_out": {"validation": validation, "test": test}, "seed": recipe.split_seed},
        "pieces": report.pieces,
        "duplicates": report.duplicates,
        "skipped": report.skipped,
        "examples": report.examples,
        "unreadable": report.unreadable,
        "statistics": report.statistics,
    }


def _nothing_left(report: Report) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items())
    return f"no window is left of {report.files} file{'s' * (report.files != 1)} (left out: {reasons or 'nothing'})"
