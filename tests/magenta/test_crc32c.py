from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musevae.magenta import crc32c as crc
from musevae.magenta.crc32c import crc32c, masked_crc32c
from tests.magenta import bundles


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (b"\0" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_are_those_of_rfc_3720(data: bytes, checksum: int) -> None:
    assert crc32c(np.frombuffer(data, np.uint8)) == checksum


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_checksum_of_any_length_is_the_bitwise_one(data: bytes) -> None:
    assert crc32c(np.frombuffer(data, np.uint8)) == bundles.crc32c(data)


@pytest.mark.parametrize("size", [64, 67, 4 * 8 * 5, 4 * 8 * 5 + 2, 999])
def test_many_rows_have_the_bitwise_checksum(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(crc, "LANES", 8)
    data = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    assert crc32c(data) == bundles.crc32c(data.tobytes())


def test_full_width_has_the_bitwise_checksum() -> None:
    data = np.random.default_rng(1).integers(0, 256, 4 * crc.LANES * 2 + 5, dtype=np.uint8)
    assert crc32c(data) == bundles.crc32c(data.tobytes())


def test_masked_checksum_is_leveldbs() -> None:
    assert masked_crc32c(np.frombuffer(b"foo", np.uint8)) == bundles.masked(b"foo")
    assert masked_crc32c(np.frombuffer(b"", np.uint8)) == 0xA282EAD8
