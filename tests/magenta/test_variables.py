from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from musevae.magenta.errors import MagentaError
from musevae.magenta.variables import read_variables
from tests.magenta.bundles import random_variables, write_bundle

WRITTEN = random_variables("decoder/a", "decoder/b", "encoder/c")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of one checkpoint, model.ckpt-20 of two data shards."""
    return write_bundle(tmp_path / "model.ckpt-20", WRITTEN, shards=2).parent


@pytest.mark.parametrize(
    "name", ["", "model.ckpt-20", "model.ckpt-20.index", "model.ckpt-20.data-00000-of-00002", "./model.ckpt-20"]
)
def test_checkpoint_is_given_by_its_prefix_or_one_of_its_files_or_its_folder(folder: Path, name: str) -> None:
    for path in (folder / name, str(folder / name)):
        assert read_variables(path).keys() == WRITTEN.keys()


@pytest.mark.parametrize("name", ["cat-mel_2bar_small", "hierdec-mel_16bar"])
def test_checkpoints_that_tensorflow_wrote_are_read(parity: Path, name: str) -> None:
    read = read_variables(parity / name)
    assert read["decoder/z_to_initial_state/bias" if name.startswith("cat") else "encoder/mu/bias"].any()
    assert len(read) == {"cat-mel_2bar_small": 16, "hierdec-mel_16bar": 26}[name]


def test_what_macos_keeps_beside_a_checkpoint_is_ignored(folder: Path) -> None:
    (folder / "._model.ckpt-20.index").write_bytes(b"xattr")
    assert read_variables(folder).keys() == WRITTEN.keys()


@pytest.mark.parametrize(
    "note",
    [
        'model_checkpoint_path: "model.ckpt-30"\nall_model_checkpoint_paths: "model.ckpt-20"\n',
        'all_model_checkpoint_paths: "model.ckpt-20"\nmodel_checkpoint_path: "/gone/model.ckpt-30"\n',
        'model_checkpoint_path: "C:\\\\runs\\\\model.ckpt-30"',
        'model_checkpoint_path: "../elsewhere/model.ckpt-30"',
    ],
)
def test_latest_of_several_checkpoints_is_the_one_noted_wherever_it_was(folder: Path, note: str) -> None:
    write_bundle(folder / "model.ckpt-30", {"latest": np.ones(1, np.float32)})
    (folder / "checkpoint").write_text(note, encoding="utf-8")
    assert read_variables(folder).keys() == {"latest"}


@pytest.mark.parametrize("note", [None, b"", b'model_checkpoint_path: ".."', b'model_checkpoint_path: "gone"', b"\xff"])
def test_several_checkpoints_of_which_none_is_noted_are_named(folder: Path, note: bytes | None) -> None:
    write_bundle(folder / "model.ckpt-30", WRITTEN)
    if note is not None:
        (folder / "checkpoint").write_bytes(note)
    with pytest.raises(
        MagentaError, match=r"several checkpoints, 'model\.ckpt-20', 'model\.ckpt-30': give the \.index"
    ):
        read_variables(folder)


@pytest.mark.parametrize("name", ["", "gone", "tune.mid", "gone.tar", "gone.json", "gone.index", "checkpoint.tar/"])
def test_anything_else_is_refused_and_what_is_accepted_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "tune.mid").write_bytes(b"MThd")
    with pytest.raises(
        MagentaError, match=r"no checkpoint: give a TensorFlow checkpoint .*\.tar.*weights_manifest\.json"
    ):
        read_variables(tmp_path / name)


def test_index_without_data_is_incomplete(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "model.ckpt-20.index", alone)
    with pytest.raises(MagentaError, match=r"data-0000\d-of-00002 is missing: a checkpoint is its \.index and all"):
        read_variables(alone)


def test_manifest_of_magenta_js_comes_before_that_of_deeplearn(parity: Path, tmp_path: Path) -> None:
    shutil.copytree(parity / "js-mel_2bar", tmp_path / "model")
    (tmp_path / "model" / "manifest.json").write_text("{}", encoding="utf-8")
    assert len(read_variables(tmp_path / "model")) == 16
