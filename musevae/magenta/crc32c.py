"""CRC-32C (Castagnoli) at the speed of numpy: one table look-up for 16 bits of each of many words at once.

A message is a polynomial over GF(2), of which the checksum is the remainder. Words far ahead may be multiplied by
x^(32 n) and added to those n words behind them: the remainder stays, and what is left to divide is n words shorter.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78  # reflected: bit 31 is the coefficient of x^0
ALL_ONES = 0xFFFFFFFF
MASK_DELTA = 0xA282EAD8  # LevelDB, util/crc32c.h
LANES = 1 << 14  # words that are folded at once: they and their table stay in the processor's cache

Words = NDArray[np.uint32]


def crc32c(data: NDArray[np.uint8]) -> int:
    """The CRC-32C of bytes (N,)."""
    loose = data.size % 4
    crc = _bytewise(ALL_ONES, data[:loose])
    words = data[loose:].view("<u4")
    if not words.size:
        return crc ^ ALL_ONES
    lanes = min(LANES, 1 << (words.size - 1).bit_length())
    first = words.size % lanes or lanes
    row = np.zeros(lanes, np.uint32)  # zeros ahead of a message leave its remainder as it is
    row[-first:] = words[:first]
    row[-first] ^= crc
    for following in words[first:].reshape(-1, lanes):
        row = _ahead(row, lanes) ^ following
    while row.size > 1:
        left, right = np.split(row, 2)
        row = _ahead(left, right.size) ^ right
    return int(_ahead(row, 1)[0]) ^ ALL_ONES


def masked_crc32c(data: NDArray[np.uint8]) -> int:
    """The CRC-32C as LevelDB and TensorFlow store it: rotated by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & ALL_ONES


def _bytewise(crc: int, data: NDArray[np.uint8]) -> int:
    for byte in data.tolist():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ POLYNOMIAL * (crc & 1)
    return crc


def _ahead(words: Words, distance: int) -> Words:
    """Words (N,) times x^(32 distance), reduced."""
    products = _products(distance)
    ahead: Words = products[0].take(words & 0xFFFF) ^ products[1].take(words >> 16)
    return ahead


@cache
def _products(distance: int) -> Words:
    """The products (2, 65536) of every low and every high half of a word with x^(32 distance); a power of two."""
    bits: Words = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if distance == 1:
        for _ in range(32):
            bits = np.where(bits & 1, bits >> 1 ^ np.uint32(POLYNOMIAL), bits >> 1)
    else:
        bits = _ahead(_ahead(bits, distance // 2), distance // 2)
    products = np.zeros((2, 1), np.uint32)
    for bit in bits.reshape(2, 16, 1).swapaxes(0, 1):
        products = np.concatenate([products, products ^ bit], axis=1)
    return products
