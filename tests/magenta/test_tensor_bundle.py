from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musevae.magenta import storage, table, tensor_bundle
from musevae.magenta.errors import MagentaError
from musevae.magenta.variables import read_variables
from tests.magenta.bundles import (
    block,
    entry,
    header,
    masked,
    number,
    part,
    random_variables,
    table_of,
    varint,
    with_footer,
    write_bundle,
    write_index,
)

ONE = np.ones(1, np.float32)
CRC_OF_ONE = masked(ONE.tobytes())


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "model.ckpt"


def assert_equal(read: dict[str, NDArray[np.float32]], written: dict[str, NDArray[Any]]) -> None:
    assert read.keys() == written.keys()
    for name, array in written.items():
        assert read[name].dtype == np.float32
        assert read[name].dtype.isnative
        assert read[name].flags.c_contiguous
        assert np.array_equal(read[name], array)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_variables_are_read_as_written_however_many_the_shards(prefix: Path, shards: int) -> None:
    written = random_variables("decoder/a/kernel", "decoder/b/kernel", "encoder/mu/kernel", "encoder/sigma/bias")
    assert_equal(read_variables(write_bundle(prefix, written, shards)), written)


def test_shard_of_optimiser_slots_alone_may_be_missing(prefix: Path) -> None:
    write_bundle(prefix, random_variables("b", "b/Adam"), shards=2)
    prefix.with_name("model.ckpt.data-00001-of-00002").unlink()
    assert read_variables(prefix).keys() == {"b"}


def test_scalars_and_matrices_of_many_dimensions_keep_their_shape(prefix: Path) -> None:
    written = {"s": np.array(3, np.float32), "m": np.arange(24, dtype=np.float32).reshape(2, 3, 1, 4)}
    read = read_variables(write_bundle(prefix, written))
    assert {name: array.shape for name, array in read.items()} == {"s": (), "m": (2, 3, 1, 4)}


def test_optimiser_slots_counters_and_integers_are_left_out(prefix: Path) -> None:
    slots = random_variables("k", "k/Adam", "k/Adam_1", "k/ADAM", "Beta1_power", "optimizer/beta2_power")
    counters: dict[str, NDArray[Any]] = {
        "global_step": np.array(7, np.int64),
        "n": np.zeros(3, np.int32),
        "x/global_step": ONE,
    }
    assert read_variables(write_bundle(prefix, {**slots, **counters})).keys() == {"k"}


def test_what_is_left_out_is_not_even_checked(prefix: Path) -> None:
    write_bundle(prefix, {"k": ONE, "k/Adam": ONE * np.inf})
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:4])
    assert np.array_equal(read_variables(prefix)["k"], ONE)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions_become_float32(prefix: Path, dtype: str) -> None:
    values = np.array([[0, -1.5, 0.1], [2.0**-20, 60000, 3]], dtype)
    assert_equal(read_variables(write_bundle(prefix, {"k": values})), {"k": values.astype(np.float32)})


def test_bfloat16_becomes_float32(prefix: Path) -> None:
    values = np.array([0x3F80, 0xC020, 0x0001], np.uint16)
    expected = np.array([1, -2.5, 2.0**-133], np.float32)
    assert_equal(read_variables(write_bundle(prefix, {"k": values}, dtypes={"k": 14})), {"k": expected})


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_values_that_are_not_finite_are_refused(prefix: Path, value: float) -> None:
    write_bundle(prefix, {"decoder/k": np.array([1, value])})
    with pytest.raises(MagentaError, match=r"data-00000-of-00001 .*'decoder/k' holds values that are not finite"):
        read_variables(prefix)


def test_variables_of_several_blocks_are_read(prefix: Path) -> None:
    entries = {name: entry(offset=4 * k, crc=CRC_OF_ONE) for k, name in enumerate([b"a", b"ab", b"b"])}
    write_bundle(prefix, {"a": np.ones(3, np.float32)})
    first, second = [(b"", header()), (b"a", entries[b"a"])], [(b"ab", entries[b"ab"]), (b"b", entries[b"b"])]
    prefix.with_name("model.ckpt.index").write_bytes(table_of(block(first), block(second)))
    assert read_variables(prefix) == {"a": 1, "ab": 1, "b": 1}


def test_changed_values_fail_their_checksum(prefix: Path) -> None:
    write_bundle(prefix, random_variables("a", "b"))
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1] + b"\x40")
    with pytest.raises(MagentaError, match=r"data-00000-of-00001 is damaged .*checksum of 'b' is wrong.*download it"):
        read_variables(prefix)


def test_short_data_are_refused(prefix: Path) -> None:
    write_bundle(prefix, random_variables("a", "b"))
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(MagentaError, match=r"data-00000-of-00001 has 35 bytes, too few"):
        read_variables(prefix)


def test_missing_shard_is_named(prefix: Path) -> None:
    write_bundle(prefix, random_variables("a", "b"), shards=2)
    prefix.with_name("model.ckpt.data-00001-of-00002").unlink()
    with pytest.raises(MagentaError, match=r"data-00001-of-00002 is missing"):
        read_variables(prefix)


HUGE = 1 << 40
SLICES = part(7, part(1, b""))
HOSTILE_ENTRIES = [
    ({b"k": entry(shape=[2])}, "unlike its shape"),
    ({b"k": entry(shape=[0], size=0)}, "a shape is not of"),
    ({b"k": entry(shape=[-1])}, "a shape is not of"),
    ({b"k": entry(shape=[HUGE], size=4 * HUGE)}, "a shape is not of"),
    ({b"k": entry(shape=[1 << 30] * 3, size=4 << 90)}, "unlike its shape"),
    ({b"k": entry(shape=[1] * 9)}, "a shape is not of"),
    ({b"k": entry(offset=1, crc=CRC_OF_ONE)}, "too few"),
    ({b"k": entry(offset=-4, crc=CRC_OF_ONE)}, "too few"),
    ({b"k": entry(offset=HUGE, crc=CRC_OF_ONE)}, "too few"),
    ({b"k": entry(shape=[HUGE >> 12], size=HUGE >> 10)}, "too few"),
    ({b"k": entry(size=-4)}, "unlike its shape"),
    ({b"k": entry(shard=1)}, "a shard that it does not have"),
    ({b"k": entry(shard=-1)}, "a shard that it does not have"),
    ({b"k": entry(crc=CRC_OF_ONE + 1)}, "checksum of 'k' is wrong"),
    ({b"j": entry(crc=CRC_OF_ONE), b"k": entry(crc=CRC_OF_ONE)}, "'k' overlaps another variable"),
    ({b"k": entry(shape=[2], size=8) + SLICES}, "'k' is partitioned, which is not read: save it whole"),
    ({b"\0\1\xff": entry(), b"k": entry() + SLICES}, "'k' is partitioned"),
    ({b"\xff": entry()}, "codec can't decode"),
    ({b"k" * 1025: entry()}, "a block of its index is malformed"),
    ({b"k": bytes(1 << 17)}, "a block of its index is malformed"),
    ({b"k": entry()[:-1]}, "an entry of its index is malformed"),
    ({b"k": b"\x0b"}, "its index"),
    ({b"k": b"\xff" * 11}, "an integer of its index is malformed"),
    ({b"k": b"\x08" + b"\xff" * 9 + b"\x7f"}, "an integer of its index is malformed"),
    ({b"k": b"\x12\x7f"}, "an entry of its index is malformed"),
    ({b"": header(shards=0)}, "0 data shards"),
    ({b"": header(shards=257)}, "257 data shards; 1 to 256 are read"),
    ({b"": header(shards=-1)}, "data shards"),
    ({b"": header(endianness=1)}, "big-endian"),
    ({b"": header(min_consumer=2)}, "newer format than 1"),
    ({b"k": number(1, 7)}, "no variables of a model"),
    ({b"k": b""}, "no variables of a model"),
]  # of an index whose checksums are right -> what is said


@pytest.mark.parametrize(("entries", "problem"), HOSTILE_ENTRIES)
def test_hostile_entries_are_refused(prefix: Path, entries: dict[bytes, bytes], problem: str) -> None:
    write_bundle(prefix, {"k": ONE})
    write_index(prefix, {b"": header()} | entries)
    with pytest.raises(MagentaError, match=problem) as caught:
        read_variables(prefix)
    assert str(caught.value).startswith(str(prefix))
    assert "\n" not in str(caught.value)


def lone(content: bytes, kind: int = 0) -> bytes:
    """A table of one block with this content."""
    raw = content + bytes([kind])
    return table_of(raw + masked(raw).to_bytes(4, "little"))


GOOD = [(b"", header()), (b"k", entry(crc=CRC_OF_ONE))]
RESTARTS = b"\0\0\0\0\1\0\0\0"
HOSTILE_TABLES = [
    (b"", "does not end as an index does"),
    (table_of(block(GOOD))[:-1], "does not end as an index does"),
    (bytes(40) + table_of(block(GOOD))[-8:], "a block of its index"),
    (b"\xff" * 40 + table_of(block(GOOD))[-8:], "an integer of its index is malformed"),
    (table_of(block(GOOD, kind=1)), "compressed"),
    (table_of(block(GOOD), block(GOOD)), "not ascending"),
    (table_of(block([*GOOD, GOOD[1]])), "not ascending"),
    (table_of(block([*GOOD, (b"j", GOOD[1][1])])), "not ascending"),
    (table_of(block(GOOD[1:])), "no header"),
    (table_of(), "malformed"),
    (table_of(block([])), "malformed"),
    (with_footer(block(GOOD), block([(b"z", varint(0) + varint(1 << 62))])), "lies outside"),
    (with_footer(block(GOOD), block([(b"z", varint(-1) + varint(1))])), "lies outside"),
    (with_footer(block(GOOD), block([(b"z", b"")])), "an integer of its index"),
    (with_footer(block(GOOD), block([(b"y", b"\0\1"), (b"z", b"\0\1")])), "checksum of its index"),
    (lone(b"\0\0"), "malformed"),
    (lone(b"\xff" * 8), "malformed"),
    (lone(b"\1\0\0" + RESTARTS), "malformed"),
    (lone(b"\0\x7f\0" + RESTARTS), "malformed"),
    (lone(b"\0\0\x7f" + RESTARTS), "malformed"),
    (lone(b"\0\0" + RESTARTS), "malformed"),
]


@pytest.mark.parametrize(("index", "problem"), HOSTILE_TABLES)
def test_hostile_tables_are_refused(prefix: Path, index: bytes, problem: str) -> None:
    write_bundle(prefix, {"k": ONE})
    prefix.with_name("model.ckpt.index").write_bytes(index)
    with pytest.raises(MagentaError, match=rf"model\.ckpt\.index is damaged .*{problem}.*download it again"):
        read_variables(prefix)


def test_overlapping_blocks_are_refused(prefix: Path) -> None:
    """Many handles of one large block would have it checked over and over."""
    good = block(GOOD)
    handle = varint(0) + varint(len(good) - 5)
    index = with_footer(good, block([(b"y", handle), (b"z", handle)]))
    write_bundle(prefix, {"k": ONE}).with_name("model.ckpt.index").write_bytes(index)
    with pytest.raises(MagentaError, match="blocks of its index overlap"):
        read_variables(prefix)


@pytest.mark.parametrize(
    ("module", "limit", "problem"),
    [(tensor_bundle, "MAX_INDEX", "bytes, an index at most 3"), (table, "MAX_COUNT", "more than 3")],
)
def test_outsize_indices_are_refused(
    prefix: Path, monkeypatch: pytest.MonkeyPatch, module: object, limit: str, problem: str
) -> None:
    write_bundle(prefix, random_variables("a", "b", "c"))
    monkeypatch.setattr(module, limit, 3)
    with pytest.raises(MagentaError, match=problem):
        read_variables(prefix)


def test_data_are_read_in_blocks(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "READ_BLOCK", 5)
    written = random_variables("a", "b", "c")
    assert_equal(read_variables(write_bundle(prefix, written)), written)


Mutation = Callable[[bytes], bytes]


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """Replace up to 9 bytes at some place by others, or cut there."""
    place, gone, new = draw(st.floats(0, 1)), draw(st.sampled_from([0, 1, 9, 10**6])), draw(st.binary(max_size=9))

    def mutate(data: bytes) -> bytes:
        at = int(place * len(data))
        return data[:at] + new + data[at + gone :]

    return mutate


@settings(max_examples=150)
@given(mutate=mutations(), name=st.sampled_from(["model.ckpt.index", "model.ckpt.data-00000-of-00001"]))
def test_damage_anywhere_is_noticed_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, mutate: Mutation, name: str
) -> None:
    written = random_variables("a/k", "b/k", "b/k/Adam")
    folder = write_bundle(tmp_path_factory.mktemp("bundle") / "model.ckpt", written).parent
    (folder / name).write_bytes(mutate((folder / name).read_bytes()))
    try:
        read = read_variables(folder)
    except MagentaError as error:
        assert str(error).startswith(str(folder))  # noqa: PT017 - not always an error
    else:
        assert_equal(read, {"a/k": written["a/k"], "b/k": written["b/k"]})


@settings(max_examples=150)
@given(mutate=mutations(), key=st.sampled_from([b"", b"k"]))
def test_any_entry_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, mutate: Mutation, key: bytes) -> None:
    """Here the checksums of the index are right, as those of a forger would be."""
    prefix = write_bundle(tmp_path_factory.mktemp("bundle") / "model.ckpt", {"k": ONE})
    write_index(prefix, dict(GOOD) | {key: mutate(dict(GOOD)[key])})
    try:
        read = read_variables(prefix)
    except MagentaError as error:
        assert str(error).startswith(str(prefix.parent))  # noqa: PT017 - as above
    else:
        assert read["k"].size == 1
