from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musevae.magenta import javascript
from musevae.magenta.errors import MagentaError
from musevae.magenta.variables import read_variables

MAGENTA_JS, DEEPLEARN = "weights_manifest.json", "manifest.json"
ROW = np.array([1, -2, 0.5], np.float32)


def write(folder: Path, manifest: str, content: object, **files: NDArray[Any]) -> Path:
    """Write a manifest, raw JSON where it is a string, and files of raw values."""
    (folder / manifest).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    for name, array in files.items():
        (folder / name).write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return folder


def group(*weights: object, paths: object = ("shard",)) -> dict[str, object]:
    return {"paths": paths, "weights": list(weights)}


def weight(name: object = "k", shape: object = (3,), dtype: object = "float32", **more: object) -> dict[str, object]:
    return {"name": name, "shape": shape, "dtype": dtype, **more}


def test_weights_of_magenta_js_are_those_of_the_tensorflow_checkpoint(parity: Path) -> None:
    converted, original = (read_variables(parity / name) for name in ("js-mel_2bar", "cat-mel_2bar_small"))
    assert converted.keys() == original.keys()
    for name, array in original.items():
        assert converted[name].dtype == np.float32
        assert converted[name].flags.c_contiguous
        assert np.array_equal(converted[name], array)


def test_quantised_weights_are_scale_times_integer_plus_least(parity: Path) -> None:
    folder = parity / "js-mel_2bar_q2"
    (content,) = json.loads((folder / MAGENTA_JS).read_text())
    data = b"".join((folder / name).read_bytes() for name in content["paths"])
    read, at = read_variables(folder), 0
    for item in content["weights"]:
        quantized = np.frombuffer(data, "<u2", read[item["name"]].size, at).reshape(item["shape"])
        at += quantized.nbytes
        about = item["quantization"]
        expected = quantized.astype(np.float64) * about["scale"] + about["min"]
        assert np.array_equal(read[item["name"]], expected.astype(np.float32))
    assert at == len(data)


def test_quantised_weights_are_near_the_original_ones(parity: Path) -> None:
    quantized, original = (read_variables(parity / name) for name in ("js-mel_2bar_q2", "js-mel_2bar"))
    assert quantized.keys() == original.keys()
    for name, array in original.items():
        np.testing.assert_allclose(quantized[name], array, atol=float(np.ptp(array)) / 65535 / 2 * 1.01, rtol=0)


def test_quantised_bytes_and_integers_share_a_group_and_straddle_its_files(tmp_path: Path) -> None:
    about = {"dtype": "uint8", "min": -1, "scale": 0.5}
    weights = [
        weight("a", quantization=about),
        weight("n", [1], "int32"),
        weight("q", [2], "int32", quantization=about),
    ]
    values = np.concatenate([np.array([0, 2, 255, 9, 9, 9, 9, 8, 8], np.uint8), ROW.astype("<f4").view(np.uint8)])
    content = [group(*weights, weight("b", [1, 3]), paths=["one", "two"])]
    read = read_variables(write(tmp_path, MAGENTA_JS, content, one=values[:11], two=values[11:]))
    assert read.keys() == {"a", "b"}
    assert np.array_equal(read["a"], np.array([-1, 0, 126.5], np.float32))
    assert np.array_equal(read["b"], [ROW])
    assert all(array.flags.aligned for array in read.values())


def test_several_groups_are_read(tmp_path: Path) -> None:
    content = [group(weight("a"), paths=["one"]), group(weight("b"), weight("c"), paths=["two"]), group(paths=[])]
    read = read_variables(write(tmp_path, MAGENTA_JS, content, one=ROW, two=np.tile(ROW, 2)))
    assert read.keys() == {"a", "b", "c"}


def item(filename: object = "file", shape: object = (3,)) -> dict[str, object]:
    return {"filename": filename, "shape": shape}


@pytest.mark.parametrize("given", ["", DEEPLEARN])
def test_variables_of_deeplearn_are_read_from_a_file_each(tmp_path: Path, given: str) -> None:
    content = {"decoder/a": item("decoder_a"), "decoder/b": item("decoder_b", [1, 3])}
    read = read_variables(write(tmp_path, DEEPLEARN, content, decoder_a=ROW, decoder_b=2 * ROW) / given)
    assert np.array_equal(read["decoder/a"], ROW)
    assert np.array_equal(read["decoder/b"], [2 * ROW])


def test_counters_and_optimiser_slots_are_left_out(tmp_path: Path) -> None:
    content = {"k": item("shard"), "k/Adam": item("gone"), "global_step": item("step", [])}
    assert read_variables(write(tmp_path, DEEPLEARN, content, shard=ROW)).keys() == {"k"}
    weights = [weight("k/Adam_1"), weight("k")]
    assert read_variables(write(tmp_path, MAGENTA_JS, [group(*weights)], shard=np.tile(ROW, 2))).keys() == {"k"}


def test_only_the_encoder_may_lack_files(tmp_path: Path) -> None:
    content = {"decoder/k": item("file"), "encoder/k": item("gone")}
    assert read_variables(write(tmp_path, DEEPLEARN, content, file=ROW)).keys() == {"decoder/k"}
    write(tmp_path, DEEPLEARN, {"decoder/k": item("gone"), "encoder/k": item("file")})
    with pytest.raises(MagentaError, match="gone is missing"):
        read_variables(tmp_path)


def test_real_checkpoint_of_magenta_is_read_but_for_the_files_that_it_lacks(repository: Path) -> None:
    folder = repository.parent / "shared" / "data" / "magenta_mel_small"
    if not folder.is_dir():
        pytest.skip("the checkpoint is not here")
    read = read_variables(folder)
    assert len(read) == 14
    assert {name for name in json.loads((folder / DEEPLEARN).read_text()) if name not in read} == {
        f"encoder/cell_0/bidirectional_rnn/{way}/multi_rnn_cell/cell_0/lstm_cell/kernel" for way in ("fw", "bw")
    }
    assert read["decoder/multi_rnn_cell/cell_0/lstm_cell/kernel"].shape == (602, 1024)
    assert (
        -1.2 < read["encoder/cell_0/bidirectional_rnn/fw/multi_rnn_cell/cell_0/lstm_cell/bias"][1024:1536].mean() < -0.7
    )


def quantized(**changes: object) -> list[object]:
    return [group(weight(quantization={"dtype": "uint8", "min": 0, "scale": 1} | changes), paths=["bytes"])]


HOSTILE = [
    (MAGENTA_JS, "", "Expecting value"),
    (MAGENTA_JS, "[" * 100_000, "nested too deep|Expecting value"),
    (MAGENTA_JS, "1", "list"),
    (MAGENTA_JS, [1], "dict"),
    (MAGENTA_JS, [{}], "list"),
    (MAGENTA_JS, [{"paths": ["shard"]}], "list"),
    (MAGENTA_JS, [group(paths="shard")], "list"),
    (MAGENTA_JS, [group(weight(), paths=[1])], "str"),
    (MAGENTA_JS, [group(1)], "dict"),
    (MAGENTA_JS, [group(weight(name=1))], "str"),
    (MAGENTA_JS, [group(weight(shape=3))], "list"),
    (MAGENTA_JS, [group(weight(dtype=["float32"]))], "str"),
    (MAGENTA_JS, [group(weight(dtype="complex64"))], "'complex64'; float32, int32, bool are read"),
    (MAGENTA_JS, [group(weight(shape=[4]))], "shard should have 16 bytes, and 12 are there"),
    (MAGENTA_JS, [group(weight(shape=[2]))], "shard should have 8 bytes, and 12 are there"),
    (MAGENTA_JS, [group(weight(shape=[1 << 30] * 8))], "and 12 are there"),
    (MAGENTA_JS, [group(weight(shape=[1 << 31]))], "a shape is not of"),
    (MAGENTA_JS, [group(weight(), weight())], "and 12 are there"),
    (MAGENTA_JS, [group(weight()), group(weight(), paths=["bytes", "shard"])], "'shard' is named twice"),
    (MAGENTA_JS, [group(weight(shape=[1]), weight(shape=[2]))], "'k' is there twice"),
    (MAGENTA_JS, [group(weight(), paths=["gone"])], "gone is missing"),
    (MAGENTA_JS, [group(weight(), paths=["folder"])], "folder is missing"),
    (MAGENTA_JS, [group(weight(quantization=3))], "dict"),
    (MAGENTA_JS, quantized(dtype="float16"), "'float16'; uint8, uint16 are read"),
    (MAGENTA_JS, quantized(scale=None), "not a finite number"),
    (MAGENTA_JS, quantized(min=True), "not a finite number"),
    (MAGENTA_JS, quantized(min=float("nan")), "not a finite number"),
    (MAGENTA_JS, quantized(scale=float("-inf")), "not a finite number"),
    (MAGENTA_JS, quantized(scale=10**400), "not a finite number"),
    (MAGENTA_JS, quantized(scale=3e38), "'k' holds values that are not finite"),
    (MAGENTA_JS, [group(weight(), paths=["nan"])], "'k' holds values that are not finite"),
    (MAGENTA_JS, [group(weight(dtype="int32"))], "no variables of a model"),
    (MAGENTA_JS, [], "no variables of a model"),
    (DEEPLEARN, {}, "no variables of a model"),
    (DEEPLEARN, '{"a": {"filename": "shard", "shape": [3]}, "a": 1}', "a name is there twice"),
    (DEEPLEARN, {"k": ["shard", [3]]}, "dict"),
    (DEEPLEARN, {"k": {"filename": "shard"}}, "list"),
    (DEEPLEARN, {"k": item(filename=None)}, "str"),
    (DEEPLEARN, {"k": item("shard", [True, 3])}, "a shape is not of"),
    (DEEPLEARN, {"k": item("shard", [3.0])}, "a shape is not of"),
    (DEEPLEARN, {"k": item("shard", [-1, -3])}, "a shape is not of"),
    (DEEPLEARN, {"k": item("shard", [0])}, "a shape is not of"),
    (DEEPLEARN, {"k": item("shard", [2])}, "shard should have 8 bytes, and 12 are there"),
    (DEEPLEARN, {"k": item("shard"), "l": item("shard")}, "'shard' is named twice"),
    (DEEPLEARN, {"k": item("nan")}, "'k' holds values that are not finite"),
    (DEEPLEARN, {"encoder/k": item("../shard")}, "not the name of a file beside it"),
]  # manifest, its content -> what is said


@pytest.mark.parametrize(("manifest", "content", "problem"), HOSTILE)
def test_hostile_manifests_are_refused(tmp_path: Path, manifest: str, content: object, problem: str) -> None:
    files: dict[str, NDArray[Any]] = {"shard": ROW, "bytes": np.array([1, 2, 3], np.uint8), "nan": ROW * np.nan}
    (tmp_path / "folder").mkdir()
    write(tmp_path, manifest, content, **files)
    with pytest.raises(MagentaError, match=problem) as caught:
        read_variables(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "../shard",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "..",
        ".",
        "",
        "C:x",
        "a\0",
        "a\n",
        "é",
        ".hidden",
        "x" * 201,
        "out",
        "loop",
    ],
)
@pytest.mark.parametrize("manifest", [MAGENTA_JS, DEEPLEARN])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, manifest: str, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    write(tmp_path, "unused.json", {}, shard=ROW)
    (folder / "out").symlink_to("../shard")
    (folder / "loop").symlink_to("loop")
    content = [group(weight(), paths=[name])] if manifest == MAGENTA_JS else {"k": item(name)}
    with pytest.raises(MagentaError, match=r"not the name of a file beside it|loop is missing"):
        read_variables(write(folder, manifest, content))


def test_outsize_manifest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript, "MAX_MANIFEST", 9)
    write(tmp_path, DEEPLEARN, {"k": item("shard")}, shard=ROW)
    with pytest.raises(MagentaError, match=r"manifest\.json has \d+ bytes, a manifest at most 9"):
        read_variables(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["shard", "float32", "uint8", "k", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["paths", "weights", "name", "shape", "dtype", "quantization"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(value=VALUES, key=st.sampled_from(["paths", "weights", "name", "shape", "dtype", "quantization", "filename"]))
def test_any_value_anywhere_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, value: object, key: str
) -> None:
    folder = tmp_path_factory.mktemp("js")
    whole: dict[str, object] = {"filename": "shard"} | weight() | {key: value}
    content = {MAGENTA_JS: [group(whole) | {key: value}], DEEPLEARN: {"k": whole}}
    for manifest in content:
        write(folder, manifest, content[manifest], shard=ROW)
        try:
            assert np.array_equal(read_variables(folder / manifest)["k"], ROW)
        except MagentaError as error:
            assert str(error).startswith(str(folder))  # noqa: PT017 - not always an error


@settings(max_examples=100)
@given(place=st.floats(0, 1), gone=st.sampled_from([0, 1, 9, 10**6]), new=st.binary(max_size=3))
def test_damaged_manifest_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, parity: Path, place: float, gone: int, new: bytes
) -> None:
    folder = tmp_path_factory.mktemp("js") / "model"
    shutil.copytree(parity / "js-mel_2bar_q2", folder)
    data = (folder / MAGENTA_JS).read_bytes()
    at = int(place * len(data))
    (folder / MAGENTA_JS).write_bytes(data[:at] + new + data[at + gone :])
    try:
        assert len(read_variables(folder)) == 16
    except MagentaError as error:
        assert str(error).startswith(str(folder))  # noqa: PT017 - as above
