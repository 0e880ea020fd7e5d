"""The sorted table that a TensorFlow checkpoint's index is: LevelDB's format, doc/table_format.md there.

Every length is checked before it is believed: nothing is read twice, and no key is longer than a variable's name.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from musevae.magenta.crc32c import masked_crc32c

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
TRAILER = 5  # of a block: the kind of compression, then the masked CRC-32C of the block and this byte
VARINT_BYTES = 10
VARINT_END = 1 << 64
MAX_KEY = 1 << 10  # bytes
MAX_VALUE = 1 << 16
MAX_COUNT = 20_000  # entries; Magenta's largest model has 44 variables, and 2 slots for each of them
DAMAGED = "a block of its index is malformed"


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The base-128 integer below 2^64 at an offset, and the offset behind it."""
    value = 0
    for shift, byte in enumerate(data[at : at + VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80 and value < VARINT_END:
            return value, at + shift + 1
    raise ValueError("an integer of its index is malformed")


def table_entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of a table, keys ascending; ValueError when it is malformed."""
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise ValueError("it does not end as an index does")
    footer = data[-FOOTER:]
    _, at = _handle(footer, 0)  # of the block of metadata, which TensorFlow leaves empty
    handle, _ = _handle(footer, at)
    end, count, last = 0, 0, None
    for _, value in _entries(_block(data, *handle)):
        (offset, size), _ = _handle(value, 0)
        if offset < end:
            raise ValueError("blocks of its index overlap")
        end = offset + size
        for key, content in _entries(_block(data, offset, size)):
            if count == MAX_COUNT or (last is not None and key <= last):
                raise ValueError(f"the names in its index are not ascending, or more than {MAX_COUNT}")
            yield key, content
            count, last = count + 1, key


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """The offset and size of a block, and the offset behind them."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(data: bytes, offset: int, size: int) -> bytes:
    """The content of a block, its checksum verified."""
    end = offset + size
    if end + TRAILER > len(data) - FOOTER:
        raise ValueError("a block of its index lies outside")
    stored = int.from_bytes(data[end + 1 : end + TRAILER], "little")
    if masked_crc32c(np.frombuffer(data, np.uint8, size + 1, offset)) != stored:
        raise ValueError("a checksum of its index is wrong")
    if data[end]:
        raise ValueError("its index is compressed, as TensorFlow's are not")
    return data[offset:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of a block, at least one; a key omits the prefix that it shares with the one before."""
    restarts = 4 * (1 + int.from_bytes(block[-4:], "little"))  # offsets and, last, their number
    end = len(block) - restarts
    if len(block) < 4 or end <= 0:
        raise ValueError(DAMAGED)
    key, at = b"", 0
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        behind = at + unshared + length
        if shared > len(key) or behind > end or shared + unshared > MAX_KEY or length > MAX_VALUE:
            raise ValueError(DAMAGED)
        key = key[:shared] + block[at : at + unshared]
        yield key, block[behind - length : behind]
        at = behind
