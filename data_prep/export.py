"""A dataset for others: parquet or Hugging Face files for their programs, windows as music for their ears."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musevae import presets
from musevae.config.reading import representation_from_dict
from musevae.extras import extra
from musevae.files import replaced
from musevae.music.note_sequence import NoteSequence
from musevae.music.representation import Representation
from musevae.music.shards import MANIFEST, DatasetError, check_split, map_shards, read_manifest, read_split

COLUMN = "events"
SAVED = "state.json"  # what every split that Hugging Face saved has
GROUP_BYTES = 1 << 24  # of the windows that are in memory at once: a row group

Manifest = Mapping[str, Any]


def export(folder: Path, output: Path, form: str, *, force: bool = False) -> dict[str, Path]:
    """Write a dataset's splits into the folder `output`, which exists; returns split -> what holds it.

    "parquet" gives a file for each split, "huggingface" a DatasetDict for `load_from_disk`, which holds no empty split.
    Windows are the column `events`, lists of fixed length; the representation is JSON in the schema's metadata, or in
    each split's `info.description`. Raises DatasetError for a bad dataset, ValueError for want of a package or where
    `output` holds an export already (unless `force`) or folders of others with the names of splits.
    """
    suffix, write = FORMS[form]
    manifest = read_manifest(folder)
    paths = {split: output / f"{split}{suffix}" for split in manifest["windows"]}
    taken = [path for path in paths.values() if path.exists()]
    if taken and not force:
        raise ValueError(f"{taken[0]} exists: --force overwrites it, another folder avoids it")
    strange = [path for path in taken if path.is_dir() and not (path / SAVED).exists()]
    if strange:
        raise ValueError(f"{strange[0]} is a folder that no export made: choose another folder")
    for split in paths:
        check_split(folder, manifest, split)
    return {split: paths[split] for split in write(folder, manifest, output)}


def listening(folder: Path, split: str, n: int, seed: int) -> list[NoteSequence]:
    """`n` different windows of a split, drawn by `seed`, as music; DatasetError where it has fewer."""
    representation = stored_representation(folder)
    windows = read_split(folder, split)
    if n > len(windows):
        raise DatasetError(f"{folder} has {len(windows)} windows in {split!r}, fewer than {n}: ask for fewer")
    drawn = np.random.default_rng(seed).choice(len(windows), n, replace=False)
    return [representation.from_events(window) for window in windows[drawn]]


def stored_representation(folder: Path) -> Representation:
    """What a dataset's windows mean; DatasetError where its manifest does not say so."""
    manifest = read_manifest(folder)
    try:
        made = presets.representation(representation_from_dict(manifest["representation"]))
    except ValueError as error:
        raise DatasetError(f"{folder / MANIFEST}: {error}") from None
    if list(made.shape) != manifest["window_shape"] or np.dtype(made.dtype) != manifest["dtype"]:
        raise DatasetError(f"{folder / MANIFEST}: its windows are not its representation's: prepare the dataset again")
    return made


def _parquet(folder: Path, manifest: Manifest, output: Path) -> list[str]:
    with extra("parquet"):
        from pyarrow import parquet  # an extra
    for split in manifest["windows"]:
        with replaced(output / f"{split}.parquet") as file, parquet.ParquetWriter(file, _schema(manifest)) as writer:
            for batch in _batches(folder, manifest, split):
                writer.write_batch(batch)
    return list(manifest["windows"])


def _huggingface(folder: Path, manifest: Manifest, output: Path) -> list[str]:
    with extra("huggingface"):
        import datasets  # an extra
    splits = [split for split, count in manifest["windows"].items() if count]
    with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-") as aside:
        held = datasets.DatasetDict()
        for split in splits:
            path = Path(aside, f"{split}.arrow")
            _write_arrow(path, folder, manifest, split)
            held[split] = datasets.Dataset.from_file(str(path))
            held[split].info.description = _described(manifest)
        with _without_bars(datasets):
            held.save_to_disk(Path(aside, "whole"))
        _take_place(Path(aside, "whole"), output)
    return splits


FORMS: dict[str, tuple[str, Callable[[Path, Manifest, Path], list[str]]]] = {  # name -> suffix, writer
    "parquet": (".parquet", _parquet),
    "huggingface": ("", _huggingface),
}


def _write_arrow(path: Path, folder: Path, manifest: Manifest, split: str) -> None:
    """Write a split as a stream of Arrow's, which Hugging Face maps into memory."""
    import pyarrow  # an extra

    with path.open("wb") as file, pyarrow.ipc.new_stream(file, _schema(manifest)) as writer:
        for batch in _batches(folder, manifest, split):
            writer.write_batch(batch)


@contextmanager
def _without_bars(datasets: Any) -> Iterator[None]:  # noqa: ANN401 - a module
    """Keep Hugging Face's progress bars off stderr, where nothing may be but on a terminal."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _take_place(aside: Path, folder: Path) -> None:
    """Move what was written aside into its folder, in place of what has its names."""
    for path in sorted(aside.iterdir()):
        stale = folder / path.name
        if stale.is_dir():
            shutil.rmtree(stale)
        path.replace(stale)


def _described(manifest: Manifest) -> str:
    return json.dumps(manifest["representation"])


def _schema(manifest: Manifest) -> Any:  # noqa: ANN401 - a pyarrow.Schema
    """One column of lists of fixed length, and what they mean."""
    import pyarrow  # an extra

    kind = pyarrow.from_numpy_dtype(np.dtype(manifest["dtype"]))
    for size in reversed(manifest["window_shape"]):
        kind = pyarrow.list_(kind, size)
    return pyarrow.schema([(COLUMN, kind)], metadata={"representation": _described(manifest)})


def _batches(folder: Path, manifest: Manifest, split: str) -> Iterator[Any]:
    """The windows of a split as record batches of pyarrow's, a row group each."""
    import pyarrow  # an extra

    schema = _schema(manifest)
    for block in _blocks(folder, manifest, split):
        values = pyarrow.array(np.ascontiguousarray(block).reshape(-1))
        for size in reversed(block.shape[1:]):
            values = pyarrow.FixedSizeListArray.from_arrays(values, size)
        yield pyarrow.record_batch([values], schema=schema)


def _blocks(folder: Path, manifest: Manifest, split: str) -> Iterator[NDArray[Any]]:
    """The windows (N, T, ...) of a split, of one shard at a time and no more than a row group holds."""
    window_bytes = np.dtype(manifest["dtype"]).itemsize * int(np.prod(manifest["window_shape"]))
    rows = max(1, GROUP_BYTES // max(1, window_bytes))
    for shard in map_shards(folder, manifest, split):
        yield from (shard[first : first + rows] for first in range(0, len(shard), rows))
