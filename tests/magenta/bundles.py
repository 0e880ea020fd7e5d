"""Writes TensorFlow's checkpoint format, plainly and on its own terms, so that the reader is not tested by itself."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xDB4775248B80FB57
DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
HEADER = b"\x08\x01\x1a\x02\x08\x01"  # num_shards 1, version {producer 1}


def crc32c(data: bytes) -> int:
    """Bit by bit, as RFC 3720 defines it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    """Base 128; a negative number takes ten bytes."""
    value %= 1 << 64
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def part(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def header(shards: int = 1, endianness: int = 0, min_consumer: int = 0) -> bytes:
    """A BundleHeaderProto."""
    return number(1, shards) + number(2, endianness) + part(3, number(1, 1) + number(2, min_consumer))


def entry(
    dtype: int = 1, shape: Iterable[int] = (), shard: int = 0, offset: int = 0, size: int = 4, crc: int = 0
) -> bytes:
    """A BundleEntryProto."""
    dims = b"".join(part(2, number(1, dim)) for dim in shape)
    numbers = number(1, dtype) + part(2, dims) + number(3, shard) + number(4, offset) + number(5, size)
    return numbers + varint(6 << 3 | 5) + struct.pack("<I", crc)


def block(entries: Iterable[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    """A block of a table, its trailer included; keys share prefixes."""
    content, last = b"", b""
    for key, value in entries:
        shared = 0
        while shared < min(len(key), len(last)) and key[shared] == last[shared]:
            shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    content += struct.pack("<II", 0, 1) + bytes([kind])
    return content + struct.pack("<I", masked(content))


def table_of(*blocks: bytes) -> bytes:
    """A table of these blocks."""
    data, handles = b"", []
    for k, content in enumerate(blocks):
        handles.append((bytes([k + 1]), varint(len(data)) + varint(len(content) - 5)))
        data += content
    return with_footer(data, block(handles))


def with_footer(data: bytes, index: bytes) -> bytes:
    """Blocks, then an empty one of metadata, the block of handles, and where these two lie."""
    empty = block([])
    places = [len(data), len(empty) - 5, len(data) + len(empty), len(index) - 5]
    return data + empty + index + b"".join(map(varint, places)).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def write_bundle(
    prefix: Path, variables: Mapping[str, NDArray[Any]], shards: int = 1, dtypes: Mapping[str, int] | None = None
) -> Path:
    """Write a checkpoint, its variables in turn over the shards; `dtypes` overrules what they are called."""
    data, entries = [b""] * shards, {b"": header(shards)}
    for k, (name, array) in enumerate(sorted(variables.items())):
        raw, shard = array.astype(array.dtype.newbyteorder("<")).tobytes(), k % shards
        dtype = (dtypes or {}).get(name) or DTYPES[array.dtype.name]
        entries[name.encode()] = entry(dtype, array.shape, shard, len(data[shard]), len(raw), masked(raw))
        data[shard] += raw
    for shard, raw in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(raw)
    return write_index(prefix, entries)


def write_index(prefix: Path, entries: Mapping[bytes, bytes]) -> Path:
    """Write an index of one block; returns the prefix."""
    prefix.with_name(f"{prefix.name}.index").write_bytes(table_of(block(sorted(entries.items()))))
    return prefix


def random_variables(*names: str) -> dict[str, NDArray[np.float32]]:
    """Small matrices of different shapes."""
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=(k + 1, 3)).astype(np.float32) for k, name in enumerate(names)}
