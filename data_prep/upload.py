"""A dataset made on this disk and moved to an address such as s3://bucket/dataset, its manifest last."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path, PurePosixPath

from data_prep import places
from data_prep.unfinished import check_names
from musevae.music.shards import MANIFEST, is_shard, read_manifest

CACHE = "XDG_CACHE_HOME"  # the environment's word for where programs keep what they can make again
ADDRESS_DIGITS = 12  # of a hash that tells two addresses apart


def workplace(address: str) -> Path:
    """The folder on this disk in which the dataset for an address is made, the same each time."""
    cache = Path(os.environ.get(CACHE) or Path.home() / ".cache")
    mark = hashlib.sha256(address.encode()).hexdigest()[:ADDRESS_DIGITS]
    return cache / "musevae" / f"{places.name_of(address)}-{mark}"


def make_room(address: str, *, force: bool) -> Path:
    """The folder to make the dataset in; DatasetError where the address may not be written to."""
    filesystem, root = places.elsewhere(address)
    check_names(address, [PurePosixPath(path).name for path in filesystem.find(root, maxdepth=1)], force)
    folder = workplace(address)
    if (folder / MANIFEST).exists():  # whole, but its upload ended early
        shutil.rmtree(folder)
    return folder


def upload(folder: Path, address: str) -> None:
    """Move a dataset to an address, in place of what was there; until the last file there is none."""
    filesystem, root = places.elsewhere(address)
    shards = [name for names in read_manifest(folder)["shards"].values() for name in names]
    if filesystem.exists(f"{root}/{MANIFEST}"):
        filesystem.rm_file(f"{root}/{MANIFEST}")
    for path in filesystem.find(root, maxdepth=1):
        if is_shard(path) and PurePosixPath(path).name not in shards:
            filesystem.rm_file(path)
    for name in (*shards, MANIFEST):
        filesystem.put_file(str(folder / name), f"{root}/{name}")
    shutil.rmtree(folder)
