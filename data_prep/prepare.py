"""Music files -> windows of events -> de-duplicated splits -> a dataset, the same for any number of workers."""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.sources import Source, SourceError, find_sources
from musevae.music.midi import MidiError, parse_midi
from musevae.music.representation import Representation
from musevae.music.shards import MANIFEST, SPLITS, DatasetError, is_shard, write_dataset

HELD_OUT = {"validation": 0.05, "test": 0.05}  # shares of the pieces, where no folder names the split
DEDUPE = ("exact", "transposition", "none")
UNREADABLE_NAMED = 100
CHUNK = 4  # files handed to a worker at once; Ctrl-C waits for those that have been
AHEAD = 16  # chunks for each worker, at most, that wait or whose pieces do

Progress = Callable[[int, int], None]


class WorkerError(ValueError):
    """A worker process that died before its work was done."""


class Piece(NamedTuple):
    """What one source gave."""

    name: str
    split: str
    events: NDArray[Any]
    skipped: Counter[str]
    error: str = ""


@dataclass
class Report:
    """What went into a dataset and what did not."""

    files: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)  # name -> reason
    skipped: Counter[str] = field(default_factory=Counter)  # reason -> count of tracks, pieces or windows
    windows: dict[str, int] = field(default_factory=dict)  # split -> windows kept
    duplicates: dict[str, int] = field(default_factory=dict)  # split -> windows dropped


def prepare(
    inputs: Sequence[str | Path],
    output: str | Path,
    representation: Representation,
    *,
    workers: int = 1,
    tracks: Collection[str] | None = None,
    dedupe: str = "exact",
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Turn music files, folders and archives into the dataset folder `output`.

    `tracks` keeps the tracks of these names only; `dedupe` is "exact", "transposition" (windows alike up to a shift in
    pitch count as one) or "none", within each split. `progress` is called with files done and files in all. Raises
    SourceError for a bad input, DatasetError when `output` holds a dataset or the shards of one already (unless
    `force`), .npy files of others, or no window is left, WorkerError when a worker process dies.
    """
    output = Path(output)
    if dedupe not in DEDUPE:
        raise ValueError(f"dedupe is {dedupe!r}; it must be one of {', '.join(DEDUPE)}")
    _check_output(output, force)
    sources = find_sources(map(Path, inputs))
    report = Report(files=len(sources))
    found: dict[str, list[NDArray[Any]]] = {split: [] for split in SPLITS}
    with _mapped(partial(read_piece, representation=representation, tracks=tracks), sources, workers) as pieces:
        for done, piece in enumerate(pieces, 1):
            _collect(piece, report, found)
            if progress:
                progress(done, len(sources))
    arrays = {split: _unique(found[split], representation, dedupe, report, split) for split in SPLITS}
    if not any(len(array) for array in arrays.values()):
        raise DatasetError(_nothing_left(report))
    write_dataset(output, arrays, _manifest(representation, sources, dedupe, tracks, report))
    return report


def _check_output(output: Path, force: bool) -> None:
    """DatasetError unless the folder may be written to."""
    is_dataset, arrays = (output / MANIFEST).exists(), list(output.glob("*.npy"))
    if not is_dataset and not all(map(is_shard, arrays)):
        raise DatasetError(f"{output} holds .npy files that are no dataset's: choose another folder")
    if (is_dataset or arrays) and not force:
        state = "a dataset" if is_dataset else "an unfinished dataset"
        raise DatasetError(f"{output} already holds {state}: choose another folder, or --force to replace it")


def read_piece(source: Source, *, representation: Representation, tracks: Collection[str] | None) -> Piece:
    """The windows of one source; a file that cannot be read gives none and says why."""
    try:
        data = source.read()
        windows = representation.windows(parse_midi(data, source.name), tracks=tracks)
    except (MidiError, SourceError, OSError) as error:
        nothing = np.empty((0, *representation.shape), representation.dtype)
        return Piece(source.name, "train", nothing, Counter(unreadable=1), str(error))
    return Piece(source.name, source.split or split_of(data), windows.events, windows.skipped)


def split_of(data: bytes) -> str:
    """The split of a piece, by a hash of its content."""
    draw = int.from_bytes(hashlib.sha256(data).digest()[:8], "big") / 2**64
    for split, share in HELD_OUT.items():
        if draw < share:
            return split
        draw -= share
    return "train"


@contextmanager
def _mapped(function: Callable[[Source], Piece], sources: Sequence[Source], workers: int) -> Iterator[Iterator[Piece]]:
    """The pieces in order of the sources, read in this process or by a pool."""
    if workers < 1:
        raise ValueError(f"workers is {workers}; at least 1 is needed")
    if workers == 1:
        yield map(function, sources)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), leave_signals_alone)
    try:
        yield _in_order(pool, function, sources, AHEAD * workers)
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process died, most likely for want of memory; nothing was written: try fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, function: Callable[[Source], Piece], sources: Sequence[Source], ahead: int
) -> Iterator[Piece]:
    """The pool's `map` for many sources; it cancels nothing, which a pool that breaks meanwhile would not survive."""
    pending: deque[Future[list[Piece]]] = deque()
    for first in range(0, len(sources), CHUNK):
        pending.append(pool.submit(_pieces, function, sources[first : first + CHUNK]))
        if len(pending) == ahead:
            yield from pending.popleft().result()
    while pending:
        yield from pending.popleft().result()


def _pieces(function: Callable[[Source], Piece], sources: Sequence[Source]) -> list[Piece]:
    return [function(source) for source in sources]


def leave_signals_alone() -> None:
    """Let Ctrl-C be the parent's affair, and SIGTERM, by which the parent ends its workers, end this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _collect(piece: Piece, report: Report, found: dict[str, list[NDArray[Any]]]) -> None:
    report.skipped += piece.skipped
    if piece.error:
        report.unreadable[piece.name] = piece.error
    if len(piece.events):
        found[piece.split].append(piece.events)


def _unique(
    parts: list[NDArray[Any]], representation: Representation, dedupe: str, report: Report, split: str
) -> NDArray[Any]:
    """The windows of a split, the first of each kind, in order."""
    events = np.concatenate([np.empty((0, *representation.shape), representation.dtype), *parts])
    keys = representation.at_lowest(events) if dedupe == "transposition" else events
    keep = np.arange(len(events)) if dedupe == "none" else first_of_each(keys)
    report.windows[split] = len(keep)
    report.duplicates[split] = len(events) - len(keep)
    return events[keep]


def first_of_each(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Indices, in order, of the first of all rows that are equal."""
    if not len(rows):
        return np.empty(0, np.int64)
    whole = np.ascontiguousarray(rows).reshape(len(rows), -1)
    _, first = np.unique(whole.view(np.dtype((np.void, whole.itemsize * whole.shape[1]))).ravel(), return_index=True)
    return np.sort(first)


def _manifest(
    representation: Representation,
    sources: Sequence[Source],
    dedupe: str,
    tracks: Collection[str] | None,
    report: Report,
) -> dict[str, Any]:
    """Everything the dataset folder says of itself besides its shards."""
    files = Counter(source.root for source in sources)
    return {
        "representation": {"name": representation.name, **asdict(representation)},
        "window_shape": list(representation.shape),
        "dtype": np.dtype(representation.dtype).name,
        "sources": [{"name": name, "files": count} for name, count in files.items()],
        "tracks": sorted(tracks) if tracks is not None else None,
        "dedupe": dedupe,
        "duplicates": report.duplicates,
        "skipped": dict(sorted(report.skipped.items())),
        "unreadable": dict(list(report.unreadable.items())[:UNREADABLE_NAMED]),
    }


def _nothing_left(report: Report) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.skipped.items()))
    return f"no window is left of {report.files} file{'s' * (report.files != 1)} (left out: {reasons or 'nothing'})"
