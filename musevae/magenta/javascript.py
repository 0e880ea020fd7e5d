"""The checkpoints of magenta.js (`weights_manifest.json`) and of deeplearn.js before it (`manifest.json`).

Both are a JSON file that tells names and shapes, and little-endian values in files beside it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musevae.magenta.errors import MagentaError, reading
from musevae.magenta.tensors import Tensor, byte_count, checked_shape, float32, is_of_the_model

MANIFESTS = ("weights_manifest.json", "manifest.json")
MAX_MANIFEST = 4 << 20
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
DTYPES = ("float32", "int32", "bool")
QUANTIZED = ("uint8", "uint16")
STORED = {name: np.dtype(name).newbyteorder("<") for name in (*DTYPES, *QUANTIZED)}
MAX_FLOAT = float(np.finfo(np.float32).max)
NOT_NEEDED = "encoder/"  # where a file is missing: without its encoder, a model still decodes


def read_javascript(manifest: Path) -> dict[str, Tensor]:
    """The variables of a checkpoint for JavaScript, of either layout, by name."""
    if (size := manifest.stat().st_size) > MAX_MANIFEST:
        raise MagentaError(f"{manifest} has {size} bytes, a manifest at most {MAX_MANIFEST}: choose another file")
    with reading(manifest):
        content = _parsed(manifest.read_bytes())
        variables = _deeplearn(manifest, content) if isinstance(content, dict) else _magenta_js(manifest, content)
        read: dict[str, Tensor] = {}
        for name, tensor in variables:
            if name in read:
                raise ValueError(f"{name[:200]!r} is there twice")
            read[name] = tensor
    return read


def _parsed(data: bytes) -> object:
    """JSON; ValueError when it is none, or an object has a key twice."""
    try:
        return json.loads(data, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(content := dict(pairs)) != len(pairs):
        raise ValueError("a name is there twice")
    return content


def _deeplearn(manifest: Path, content: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The variables of {name: {filename, shape}}, each in a file of its own."""
    used: set[Path] = set()
    for name, item in content.items():
        if not is_of_the_model(name):
            continue
        path = _beside(manifest, _get(item, "filename", str), used)
        weight = Weight(name, checked_shape(_get(item, "shape", list)))
        if path.exists() or not name.startswith(NOT_NEEDED):
            yield name, weight.tensor(_bytes([path], weight.size))


def _magenta_js(manifest: Path, content: object) -> Iterator[tuple[str, Tensor]]:
    """The float variables of [{paths, weights}], where the weights of a group fill its files joined together."""
    used: set[Path] = set()
    for group in _typed(content, list):
        paths = [_beside(manifest, _typed(name, str), used) for name in _get(group, "paths", list)]
        weights = [_weight(item) for item in _get(group, "weights", list)]
        data = _bytes(paths, sum(weight.size for weight in weights))
        at = 0
        for weight in weights:
            if weight.dtype == "float32" and is_of_the_model(weight.name):
                yield weight.name, weight.tensor(data[at : at + weight.size])
            at += weight.size


@dataclass(frozen=True)
class Weight:
    """A variable as a manifest describes it; `stored` is the type of its values in the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    stored: str = "float32"
    scale: float = 1.0
    least: float = 0.0

    @property
    def size(self) -> int:
        """The bytes that it takes in its file."""
        return byte_count(self.shape, STORED[self.stored])

    def tensor(self, data: NDArray[np.uint8]) -> Tensor:
        """Its values; those quantised in double precision, as JavaScript computes (tfjs-core, io/io_utils.ts)."""
        values: NDArray[np.generic] = data.view(STORED[self.stored])
        if self.stored in QUANTIZED:
            values = values.astype(np.float64) * self.scale + self.least
        return float32(self.name, values, self.shape)


def _weight(item: object) -> Weight:
    """An item of magenta.js's `weights`."""
    name, dtype = _get(item, "name", str), _get(item, "dtype", str)
    weight = Weight(name, checked_shape(_get(item, "shape", list)), _one_of(DTYPES, dtype), dtype)
    quantization = _typed(item, dict).get("quantization")
    if quantization is None:
        return weight
    scale, least = (_finite(_typed(quantization, dict).get(key)) for key in ("scale", "min"))
    return replace(weight, stored=_one_of(QUANTIZED, _get(quantization, "dtype", str)), scale=scale, least=least)


def _one_of(known: tuple[str, ...], dtype: str) -> str:
    if dtype not in known:
        raise ValueError(f"a weight is of type {dtype[:20]!r}; {', '.join(known)} are read")
    return dtype


def _finite(value: Any) -> float:  # noqa: ANN401 - parsed JSON
    if type(value) not in (int, float) or not -MAX_FLOAT <= value <= MAX_FLOAT:
        raise ValueError("a quantization's scale or min is not a finite number")
    return float(value)


def _typed(value: object, kind: type) -> Any:  # noqa: ANN401 - of that kind
    """A value of parsed JSON; ValueError when it is of another kind."""
    if type(value) is not kind:
        raise ValueError(f"a {kind.__name__} is missing from it")
    return value


def _get(item: object, key: str, kind: type) -> Any:  # noqa: ANN401 - as in _typed
    return _typed(_typed(item, dict).get(key), kind)


def _beside(manifest: Path, name: str, used: set[Path]) -> Path:
    """The path of a file beside the manifest; ValueError for a name that leads elsewhere or was used before."""
    path = manifest.with_name(name) if FILE_NAME.fullmatch(name) else None
    if path is None or Path(os.path.realpath(path)).parent != Path(os.path.realpath(manifest.parent)):
        raise ValueError(f"{name[:200]!r} is not the name of a file beside it")
    if path in used:
        raise ValueError(f"{name!r} is named twice")
    used.add(path)
    return path


def _bytes(paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """The bytes (size,) of files, joined."""
    for path in paths:
        if not path.is_file():
            raise MagentaError(f"{path} is missing: download it again")
    found = sum(path.stat().st_size for path in paths)
    if found != size:
        names = ", ".join(path.name for path in paths)[:200] or "a group without files"
        raise ValueError(f"{names} should have {size} bytes, and {found} are there")
    return np.concatenate([np.empty(0, np.uint8), *(np.fromfile(path, np.uint8) for path in paths)])
