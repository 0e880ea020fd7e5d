"""The dataset on disk: `manifest.json` and `train-*.npy`, `validation-*.npy`, `test-*.npy`; writer beside reader.

Each shard is a C-order array with one window a row. The manifest holds no date and no path outside the sources' own
names, so the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from musevae.files import replaced

FORMAT_VERSION = 1
SPLITS = ("train", "validation", "test")
SHARD_ROWS = 1 << 20
MANIFEST = "manifest.json"
KINDS = {
    "windows": dict,
    "shards": dict,
    "window_shape": list,
    "dtype": str,
    "representation": dict,
}  # what readers rely on


class DatasetError(ValueError):
    """A folder that is no dataset, or a damaged one; the message begins with its name."""


def write_dataset(folder: Path, arrays: Mapping[str, NDArray[Any]], manifest: Mapping[str, Any]) -> None:
    """Write the windows of each split, then the manifest, which makes the folder a dataset: until then it is none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    shards = {split: _write_split(folder, split, array) for split, array in arrays.items()}
    counts = {split: len(array) for split, array in arrays.items()}
    for stale in set(folder.glob("*.npy")) - {folder / name for names in shards.values() for name in names}:
        stale.unlink()
    content = {"format_version": FORMAT_VERSION, "windows": counts, "shards": shards, **manifest}
    with replaced(folder / MANIFEST) as file:
        file.write(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")


def _write_split(folder: Path, split: str, array: NDArray[Any]) -> dict[str, str]:
    """Write the shards of one split; returns file name -> SHA-256."""
    digests = {}
    for index, first in enumerate(range(0, len(array), SHARD_ROWS)):
        name = f"{split}-{index:05d}.npy"
        with replaced(folder / name) as file:
            np.save(file, np.ascontiguousarray(array[first : first + SHARD_ROWS]))
        digests[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return digests


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset; DatasetError when there is none or it is damaged or newer than this program."""
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
    whole = all(isinstance(manifest.get(key), kind) for key, kind in KINDS.items())
    if not whole or manifest["windows"].keys() != manifest["shards"].keys():
        raise DatasetError(f"{folder / MANIFEST} is damaged: prepare the dataset again")
    return dict(manifest)


def read_split(folder: Path, split: str) -> NDArray[Any]:
    """All windows of a split (N, ...), memory-mapped where it is one shard; DatasetError when it cannot be read."""
    manifest = read_manifest(folder)
    if split not in manifest["windows"]:
        raise DatasetError(f"{folder} has no split {split!r}; its splits are {', '.join(manifest['windows'])}")
    try:
        shards = [open_memmap(folder / name, mode="r") for name in manifest["shards"][split]]
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{folder}: a shard of {split!r} is missing or damaged ({error}): prepare it again"
        ) from error
    shape, dtype = tuple(manifest["window_shape"]), manifest["dtype"]
    unlike = any(shard.shape[1:] != shape or shard.dtype != dtype for shard in shards)
    if unlike or sum(map(len, shards)) != manifest["windows"][split]:
        raise DatasetError(
            f"{folder}: the shards of {split!r} are not those that the manifest describes: prepare it again"
        )
    if not shards:
        return np.empty((0, *shape), dtype)
    return shards[0] if len(shards) == 1 else np.concatenate(shards)
