"""TensorFlow's checkpoint format, its "tensor bundle": an index of protocol buffers and shards of raw data.

As in tensorflow/core/protobuf/tensor_bundle.proto and util/tensor_bundle; the data are read one variable at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from musevae.magenta.crc32c import masked_crc32c
from musevae.magenta.errors import MagentaError, reading
from musevae.magenta.storage import INDEX, Extent, Find
from musevae.magenta.table import table_entries, varint
from musevae.magenta.tensors import Tensor, byte_count, checked_shape, float32, is_of_the_model

MAX_INDEX = 256 << 20
MAX_SHARDS = 256
BUNDLE_VERSION = 1
BFLOAT16 = 14
FLOATS = {1: "<f4", 2: "<f8", BFLOAT16: "<u2", 19: "<f2"}  # of tensorflow/core/framework/types.proto
PARTITION = b"\0"  # begins the keys of a partitioned variable's parts
WIRE_BYTES = {1: 8, 5: 4}  # wire type of a protocol buffer's field -> its fixed size; 0 is a varint, 2 has a length


@dataclass(frozen=True)
class Message:
    """The fields of a protocol buffer by number: the last of each number, and all strings and messages."""

    numbers: dict[int, int] = field(default_factory=dict)
    parts: dict[int, list[bytes]] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """Where a variable's values lie, and of what kind they are."""

    name: str
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


def read_bundle(find: Find, prefix: str) -> dict[str, Tensor]:
    """The model's variables of the checkpoint with this prefix, by name."""
    index = find(prefix + INDEX)
    with reading(index.name):
        shards, entries = _read_index(index)
    files = {shard: find(f"{prefix}.data-{shard:05d}-of-{shards:05d}") for shard in {entry.shard for entry in entries}}
    variables: dict[str, Tensor] = {}
    ends = dict.fromkeys(files, 0)
    forwards = sorted(entries, key=lambda entry: (files[entry.shard].start, entry.shard, entry.offset))
    for entry in forwards:  # as an archive has them: gzip goes back only to the start
        with reading(index.name):
            if entry.offset < ends[entry.shard]:
                raise ValueError(f"{entry.name!r} overlaps another variable")
        ends[entry.shard] = entry.offset + entry.size
        with reading(files[entry.shard].name):
            variables[entry.name] = _read_tensor(entry, files[entry.shard])
    return variables


def _read_index(index: Extent) -> tuple[int, list[Entry]]:
    """The number of data shards, and the entries of the model's variables."""
    if index.size > MAX_INDEX:
        raise MagentaError(f"{index.name} has {index.size} bytes, an index at most {MAX_INDEX}: choose another file")
    table = table_entries(index.read(0, index.size).tobytes())
    key, header = next(table, (None, b""))
    if key != b"":
        raise ValueError("its index has no header")
    shards = _shards(_message(header))
    whole = ((key.decode(), value) for key, value in table if not key.startswith(PARTITION))
    entries = [_entry(index.name, name, _message(value)) for name, value in whole if is_of_the_model(name)]
    found = [entry for entry in entries if entry is not None]
    if any(entry.shard >= shards for entry in found):
        raise ValueError("a variable lies in a shard that it does not have")
    return shards, found


def _shards(header: Message) -> int:
    """The number of data shards that a BundleHeaderProto tells."""
    shards, endianness = header.numbers.get(1, 0), header.numbers.get(2, 0)
    version = _message(b"".join(header.parts.get(3, [])))
    if not 1 <= shards <= MAX_SHARDS:
        raise ValueError(f"it has {shards} data shards; 1 to {MAX_SHARDS} are read")
    if endianness != 0:
        raise ValueError("it is big-endian")
    if version.numbers.get(2, 0) > BUNDLE_VERSION:
        raise ValueError(f"it is of a newer format than {BUNDLE_VERSION}")
    return shards


def _entry(index: str, name: str, entry: Message) -> Entry | None:
    """A BundleEntryProto; None when the variable is not of floating point."""
    dtype, shard, offset, size, crc = (entry.numbers.get(number, 0) for number in (1, 3, 4, 5, 6))
    if dtype not in FLOATS:
        return None
    if 7 in entry.parts:
        raise MagentaError(f"{index}: {name!r} is partitioned, which is not read: save it whole with TensorFlow")
    dims = _message(b"".join(entry.parts.get(2, []))).parts.get(2, [])
    shape = checked_shape([_message(dim).numbers.get(1, 0) for dim in dims])
    if size != byte_count(shape, np.dtype(FLOATS[dtype])):
        raise ValueError(f"{name!r} has {size} bytes, unlike its shape {shape}")
    return Entry(name, dtype, shape, shard, offset, size, crc)


def _read_tensor(entry: Entry, shard: Extent) -> Tensor:
    """The values of a variable; ValueError when they are not those that were written."""
    data = shard.read(entry.offset, entry.size)
    if masked_crc32c(data) != entry.crc:
        raise ValueError(f"the checksum of {entry.name!r} is wrong")
    values: NDArray[np.generic] = data.view(FLOATS[entry.dtype])
    if entry.dtype == BFLOAT16:  # the upper half of a float32
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return float32(entry.name, values, entry.shape)


def _message(data: bytes) -> Message:
    """The fields of a protocol buffer; ValueError when it is malformed."""
    message, at = Message(), 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            message.numbers[number], at = varint(data, at)
            continue
        size, at = (WIRE_BYTES[wire], at) if wire in WIRE_BYTES else varint(data, at)
        if wire not in (1, 2, 5) or at + size > len(data):
            raise ValueError("an entry of its index is malformed")
        part, at = data[at : at + size], at + size
        if wire == 2:
            message.parts.setdefault(number, []).append(part)
        else:
            message.numbers[number] = int.from_bytes(part, "little")
    return message
