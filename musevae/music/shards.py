"""The dataset on disk: `manifest.json` and `train-*.npy`, `validation-*.npy`, `test-*.npy`; writer beside reader.

Each shard is a C-order array with one window a row. The manifest holds no date and no path outside the sources' own
names, so the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from musevae.files import replaced

FORMAT_VERSION = 1
SPLITS = ("train", "validation", "test")
SHARD_ROWS = 1 << 20
SHARD_BYTES = 1 << 27  # where rows are long
SHARD_NAME = re.compile(rf"({'|'.join(SPLITS)})-[0-9]{{5,}}\.npy")
MANIFEST = "manifest.json"
ADDRESS = re.compile(r"\w{2,}:/")  # as a Path has it
DTYPES = {np.dtype(code).name for code in np.typecodes["AllInteger"] + "efd?"}
HASH_BLOCK = 1 << 20


class DatasetError(ValueError):
    """A folder that is no dataset, or a damaged one; the message begins with its name."""


class DatasetWriter:
    """The shards of a dataset, written aside as they fill; `finish` puts them in place of an older dataset."""

    def __init__(self, aside: Path, splits: Iterable[str] = SPLITS) -> None:
        self.aside = aside
        self.shards: dict[str, dict[str, str]] = {split: {} for split in splits}  # split -> file name -> SHA-256
        self.windows: dict[str, int] = dict.fromkeys(self.shards, 0)  # split -> windows added
        self._waiting: dict[str, list[NDArray[Any]]] = {split: [] for split in self.shards}

    def add(self, split: str, windows: NDArray[Any]) -> None:
        """Take windows (N, ...) of a split, after those it has."""
        limit = _shard_rows(windows)
        while len(windows):
            room = limit - self.windows[split] % limit
            self._waiting[split].append(windows[:room])
            self.windows[split] += len(windows[:room])
            windows = windows[room:]
            if self.windows[split] % limit == 0:
                self._write(split)

    def finish(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Write what waits and the manifest, then move all to its folder.

        Until all is whole, a failure leaves the folder as it was. Then the old manifest goes, and the new one comes
        last: a crash in between leaves shards without a manifest, which are no dataset.
        """
        for split in self.shards:
            self._write(split)
        content = {"format_version": FORMAT_VERSION, "windows": self.windows, "shards": self.shards, **manifest}
        with replaced(self.aside / MANIFEST) as file:
            file.write(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
        _take_place(self.aside, folder, [name for names in self.shards.values() for name in names])

    def _write(self, split: str) -> None:
        if not self._waiting[split]:
            return
        name = f"{split}-{len(self.shards[split]):05d}.npy"
        with replaced(self.aside / name) as file:
            np.save(file, np.ascontiguousarray(np.concatenate(self._waiting[split])))
        self._waiting[split].clear()
        self.shards[split][name] = _digest(self.aside / name)


def _shard_rows(windows: NDArray[Any]) -> int:
    """How many windows (N, ...) like these a shard holds: few enough to wait in memory."""
    return min(SHARD_ROWS, max(1, SHARD_BYTES // max(1, windows[:1].nbytes)))


def write_dataset(folder: Path, arrays: Mapping[str, NDArray[Any]], manifest: Mapping[str, Any]) -> None:
    """Write the windows of each split and the manifest, in place of the dataset that the folder may hold."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as aside:
        writer = DatasetWriter(Path(aside), arrays)
        for split, array in arrays.items():
            writer.add(split, array)
        writer.finish(folder, manifest)


def _take_place(aside: Path, folder: Path, shards: Sequence[str]) -> None:
    """Move a dataset written aside into its folder, whose old manifest and shards go."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for stale in folder.glob("*.npy"):
        if is_shard(stale) and stale.name not in shards:
            stale.unlink()
    for name in (*shards, MANIFEST):
        os.replace(aside / name, folder / name)  # noqa: PTH105 - as in files.py


def is_shard(path: str | Path) -> bool:
    """Whether a file is named as the shards are that a DatasetWriter writes, and takes away."""
    return SHARD_NAME.fullmatch(Path(path).name) is not None


def _digest(path: Path) -> str:
    """The SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset; DatasetError when there is none or it is damaged or newer than this program."""
    if ADDRESS.match(str(folder)):
        raise DatasetError(f"{folder} is not on this disk: copy the dataset into a folder here, and name that")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except FileNotFoundError:
        raise DatasetError(f"{folder} is no dataset: it has no {MANIFEST}; make one with `musevae prepare`") from None
    except NotADirectoryError:
        raise DatasetError(f"{folder} is a file; a dataset is a folder, made by `musevae prepare`") from None
    except (ValueError, KeyError, TypeError):
        raise DatasetError(f"{folder / MANIFEST} is damaged: prepare the dataset again") from None
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{folder} has format version {version}; this musevae reads {FORMAT_VERSION}: update musevae"
        )
    damaged = [key for key, is_whole in WHOLE.items() if not is_whole(manifest.get(key))]
    if damaged:
        raise DatasetError(f"{folder / MANIFEST} is damaged at {damaged[0]!r}: prepare the dataset again")
    return dict(manifest)


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(type(count) is int and count >= 0 for count in value)


def _of_splits(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == set(SPLITS)


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _named(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in value
    )


WHOLE: dict[str, Callable[[Any], bool]] = {
    "windows": lambda value: _of_splits(value) and _counts(list(value.values())),
    "shards": lambda value: _of_splits(value) and all(map(_texts, value.values())),
    "window_shape": _counts,
    "dtype": lambda value: isinstance(value, str) and value in DTYPES,
    "representation": lambda value: isinstance(value, dict),
    "sources": lambda value: value is None or _named(value),
}  # what readers rely on


def read_split(folder: Path, split: str) -> NDArray[Any]:
    """All windows of a split (N, ...); DatasetError when they cannot be read.

    Where it is one shard, that is mapped into memory; several are copied into one array, one after the other.
    """
    manifest = read_manifest(folder)
    if split not in manifest["windows"]:
        raise DatasetError(f"{folder} has no split {split!r}; its splits are {', '.join(manifest['windows'])}")
    check_split(folder, manifest, split)
    names = list(manifest["shards"][split])
    if len(names) == 1:
        return open_memmap(folder / names[0], mode="r")
    windows = np.empty((manifest["windows"][split], *manifest["window_shape"]), manifest["dtype"])
    first = 0
    for shard in map_shards(folder, manifest, split):
        windows[first : first + len(shard)] = shard
        first += len(shard)
    return windows


def check_split(folder: Path, manifest: Mapping[str, Any], split: str) -> None:
    """DatasetError unless the shards of a split are, byte for byte, those that the manifest describes."""
    kind = tuple(manifest["window_shape"]), np.dtype(manifest["dtype"])
    found = [(len(shard), (shard.shape[1:], shard.dtype)) for shard in map_shards(folder, manifest, split)]
    if sum(rows for rows, _ in found) != manifest["windows"][split] or any(of_shard != kind for _, of_shard in found):
        raise DatasetError(
            f"{folder}: the shards of {split!r} are not those that the manifest describes: prepare it again"
        )
    for name, digest in manifest["shards"][split].items():
        if _digest(folder / name) != digest:
            raise DatasetError(f"{folder}: shard {name} is damaged (its SHA-256 has changed): prepare it again")


def map_shards(folder: Path, manifest: Mapping[str, Any], split: str) -> Iterator[NDArray[Any]]:
    """The shards of a split, each mapped into memory while it is looked at; DatasetError where one cannot be."""
    for name in manifest["shards"][split]:
        try:
            yield open_memmap(folder / name, mode="r")
        except (OSError, ValueError) as error:
            raise DatasetError(f"{folder / name} is missing or damaged ({error}): prepare the dataset again") from error
