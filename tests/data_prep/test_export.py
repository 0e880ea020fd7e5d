from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep import export as module
from data_prep.export import export, listening, stored_representation
from musevae.config import Config
from musevae.music import shards
from musevae.music.melody import MelodyRepresentation
from musevae.music.representation import Representation
from musevae.music.shards import SPLITS, DatasetError, read_manifest, read_split, write_dataset
from musevae.music.trio import TrioRepresentation
from musevae.presets import representation

MakeDataset = Callable[..., Path]


def write_windows(folder: Path, shape: tuple[int, ...], dtype: str) -> Path:
    """A dataset of 5 windows to train on and 2 to test on, of any shape."""
    windows = np.arange(7 * int(np.prod(shape))).reshape(7, *shape).astype(dtype)
    manifest = {"representation": {"name": "any"}, "window_shape": list(shape), "dtype": dtype, "sources": None}
    write_dataset(folder, {"train": windows[:5], "validation": windows[:0], "test": windows[5:]}, manifest)
    return folder


def change(folder: Path, **values: Any) -> None:  # noqa: ANN401 - JSON
    manifest = {**json.loads((folder / "manifest.json").read_text()), **values}
    (folder / "manifest.json").write_text(json.dumps(manifest))


SHAPES: list[tuple[tuple[int, ...], str]] = [((8,), "uint8"), ((4, 3), "uint16"), ((2, 9), "float32")]


@pytest.mark.parametrize(("shape", "dtype"), SHAPES)
def test_parquet_holds_the_windows_and_what_they_mean(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = write_windows(tmp_path / "ds", shape, dtype)
    paths = export(folder, tmp_path, "parquet")
    assert list(paths) == list(SPLITS)
    for split, path in paths.items():
        table = parquet.read_table(path)
        assert json.loads(table.schema.metadata[b"representation"]) == {"name": "any"}
        read = np.array(table["events"].to_pylist(), dtype).reshape(-1, *shape)
        assert np.array_equal(read, read_split(folder, split))


@pytest.mark.parametrize(("shape", "dtype"), SHAPES)
def test_huggingface_holds_the_windows_and_what_they_mean(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    datasets = pytest.importorskip("datasets")
    folder = write_windows(tmp_path / "ds", shape, dtype)
    (tmp_path / "out").mkdir()
    assert list(export(folder, tmp_path / "out", "huggingface")) == ["train", "test"]
    held = datasets.load_from_disk(str(tmp_path / "out"))
    assert sorted(held) == ["test", "train"]
    for split, part in held.items():
        assert json.loads(part.info.description) == {"name": "any"}
        assert np.array_equal(np.array(part.with_format("numpy")["events"][:]), read_split(folder, split))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dataset_dict.json", "test", "train"]


def test_many_shards_are_written_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory holds one row group, however large the dataset is."""
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(shards, "SHARD_ROWS", 3)
    monkeypatch.setattr(module, "GROUP_BYTES", 16)
    folder = write_windows(tmp_path / "ds", (8,), "uint8")
    file = parquet.ParquetFile(export(folder, tmp_path, "parquet")["train"])
    groups = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    assert (groups, len(read_manifest(folder)["shards"]["train"])) == ([2, 1, 2], 2)
    assert np.array_equal(np.array(file.read()["events"].to_pylist()), read_split(folder, "train"))


@pytest.mark.parametrize(("form", "package"), [("parquet", "pyarrow"), ("huggingface", "datasets")])
def test_an_export_is_replaced_only_by_force(tmp_path: Path, form: str, package: str) -> None:
    pytest.importorskip(package)
    folder = write_windows(tmp_path / "ds", (8,), "uint8")
    first = export(folder, tmp_path, form)
    with pytest.raises(ValueError, match="exists: --force"):
        export(folder, tmp_path, form)
    assert export(folder, tmp_path, form, force=True) == first


def test_a_folder_of_somebody_elses_is_never_replaced(tmp_path: Path) -> None:
    """With --force, a folder of music named train would have gone."""
    folder = write_windows(tmp_path / "ds", (8,), "uint8")
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="train is a folder that no export made"):
        export(folder, tmp_path, "huggingface", force=True)


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_a_damaged_shard_is_named(tmp_path: Path, damage: bytes | None) -> None:
    pytest.importorskip("pyarrow")
    folder = write_windows(tmp_path / "ds", (8,), "uint8")
    shard = folder / "train-00000.npy"
    shard.unlink() if damage is None else shard.write_bytes(damage)
    with pytest.raises(DatasetError, match=r"train-00000\.npy is missing or damaged"):
        export(folder, tmp_path, "parquet")
    assert not list(tmp_path.glob("*.parquet"))


def test_shards_that_the_manifest_does_not_describe_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    folder = write_windows(tmp_path / "ds", (8,), "uint8")
    change(folder, window_shape=[4])
    with pytest.raises(DatasetError, match="are not those that the manifest describes"):
        export(folder, tmp_path, "parquet")


def test_a_shard_with_one_byte_changed_is_not_handed_on(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    folder = write_windows(tmp_path / "ds", (8,), "uint8")
    shard = folder / "test-00000.npy"
    shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    with pytest.raises(DatasetError, match=r"shard test-00000\.npy is damaged \(its SHA-256 has changed\)"):
        export(folder, tmp_path, "parquet")
    assert not list(tmp_path.glob("*.parquet"))


def test_the_representation_is_what_the_dataset_was_made_with(dataset: Path, tiny: Config) -> None:
    assert stored_representation(dataset) == representation(tiny.representation)


@pytest.mark.parametrize("made", [MelodyRepresentation(bars=1), TrioRepresentation(bars=2, gap_bars=1)])
def test_every_kind_of_representation_comes_back(tmp_path: Path, made: Representation) -> None:
    windows: NDArray[Any] = np.zeros((1, *made.shape), made.dtype)
    manifest = {"representation": {"name": made.name, **vars(made)}, "window_shape": list(made.shape)}
    arrays = dict.fromkeys(SPLITS, windows)
    write_dataset(tmp_path, arrays, {**manifest, "dtype": np.dtype(made.dtype).name, "sources": None})
    assert stored_representation(tmp_path) == made


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"representation": {"name": "melodies"}}, "did you mean representation melody"),
        ({"representation": {"name": "melody", "bars": "two"}}, "representation.bars cannot be 'two'"),
        ({"window_shape": [9]}, "windows are not its representation's"),
    ],
)
def test_a_damaged_representation_is_named(make_dataset: MakeDataset, damage: dict[str, Any], reason: str) -> None:
    folder = make_dataset()
    change(folder, **damage)
    with pytest.raises(DatasetError, match=f"manifest.json: .*{reason}"):
        stored_representation(folder)


def test_what_is_heard_is_drawn_by_the_seed_from_the_split(dataset: Path) -> None:
    made = stored_representation(dataset)
    heard = listening(dataset, "validation", 6, seed=3)
    assert listening(dataset, "validation", 6, seed=3) == heard
    assert listening(dataset, "validation", 6, seed=4) != heard
    windows = [made.from_events(window) for window in read_split(dataset, "validation")]
    assert sorted(map(repr, heard)) == sorted(map(repr, windows))


def test_no_more_is_heard_than_there_is(dataset: Path) -> None:
    with pytest.raises(DatasetError, match="has 6 windows in 'validation', fewer than 7"):
        listening(dataset, "validation", 7, seed=0)
