"""Finds out of what kind a checkpoint of Magenta's is, and reads its variables."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musevae.magenta import tar
from musevae.magenta.errors import MagentaError
from musevae.magenta.javascript import MANIFESTS, read_javascript
from musevae.magenta.storage import INDEX, folder, indices
from musevae.magenta.tensor_bundle import read_bundle

ACCEPTED = (
    "a TensorFlow checkpoint (its prefix, its .index file, a .tar of it), a checkpoint of magenta.js "
    f"({' or '.join(MANIFESTS)}), or a folder with one of these"
)
DATA = re.compile(r"\.data-[0-9]{5}-of-[0-9]{5}$")
LATEST = "checkpoint"  # the text file in which TensorFlow notes the checkpoints of a folder
LATEST_PATH = re.compile(r'^\s*model_checkpoint_path:\s*"([^"\n]*)"', re.MULTILINE)
MAX_LATEST = 1 << 16


def read_variables(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """The model's variables of a checkpoint of Magenta's, by TensorFlow's names, as finite float32 in C order.

    A TensorFlow checkpoint is given by its prefix, one of its files, its folder or a tar of it; one of magenta.js or
    deeplearn.js by its folder or manifest. Optimiser slots, counters and what is not floating point are left out, and
    so are the encoder's variables whose files a deeplearn.js checkpoint lacks: it still decodes. MagentaError when
    the file is none of these, damaged or incomplete; OSError when the system refuses it.
    """
    path = Path(path)
    if path.is_dir():
        path = _checkpoint_of(path)
    variables = _read(path)
    if not variables:
        raise MagentaError(f"{path} holds no variables of a model: choose another")
    return variables


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    if path.name.endswith(tar.SUFFIXES) and path.is_file():
        with tar.archive(path) as (prefix, find):
            return read_bundle(find, prefix)
    if path.suffix == ".json" and path.is_file():
        return read_javascript(path)
    prefix = DATA.sub("", path.name).removesuffix(INDEX)
    if not path.with_name(prefix + INDEX).is_file():
        raise MagentaError(f"{path} is no checkpoint: give {ACCEPTED}")
    with folder(path.parent) as find:
        return read_bundle(find, prefix)


def _checkpoint_of(path: Path) -> Path:
    """The manifest or the prefix of the checkpoint in a folder: the only one or, of several, the latest."""
    for manifest in MANIFESTS:
        if (path / manifest).is_file():
            return path / manifest
    found = [name.removesuffix(INDEX) for name in indices([file.name for file in path.iterdir()])]
    if not found:
        raise MagentaError(f"{path} holds no checkpoint: give {ACCEPTED}")
    name = found[0] if len(found) == 1 else _latest(path)
    if name not in found:
        several = ", ".join(map(repr, found))
        raise MagentaError(f"{path} holds several checkpoints, {several}: give the {INDEX} file of one")
    return path / name


def _latest(path: Path) -> str | None:
    """The checkpoint that TensorFlow noted as a folder's latest; where that folder was before does not matter."""
    if not (path / LATEST).is_file():
        return None
    with (path / LATEST).open("rb") as file:
        text = file.read(MAX_LATEST).decode(errors="replace")
    found = LATEST_PATH.search(text)
    return re.split(r"[/\\]+", found[1])[-1] if found else None
