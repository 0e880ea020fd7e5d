"""Datasets, corpora and trainings that cannot be: one line `Error: ...`, and no file written or changed."""

from pathlib import Path

import pytest

from musevae import NoteSequence
from musevae.music import shards
from tests.cli.command import SMALLER, Command, Write


@pytest.mark.parametrize("name", ["ds", "ds/train-00000.npy"])
def test_a_folder_or_file_that_is_no_dataset_is_refused(musevae: Command, model_folder: Path, name: str) -> None:
    Path("ds").mkdir()
    Path("ds/train-00000.npy").touch()
    assert "musevae prepare" in musevae.refuses("evaluate", model_folder, "--data", name)
    assert "musevae prepare" in musevae.refuses("train", "melody-2bar", "--data", name, "--run", "run", *SMALLER)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"{", "damaged"), (b"[]", "damaged"), (b'{"format_version": 99}', "update musevae")]
)
def test_a_damaged_or_newer_dataset_is_refused(
    musevae: Command, model_folder: Path, content: bytes, reason: str
) -> None:
    Path("ds").mkdir()
    Path("ds", shards.MANIFEST).write_bytes(content)
    assert reason in musevae.refuses("evaluate", model_folder, "--data", "ds")


def test_a_missing_shard_is_named(musevae: Command, model_folder: Path, write: Write) -> None:
    musevae.succeeds("prepare", write("train/up.mid", bars=5).parent, "-o", "ds")
    Path("ds/train-00000.npy").unlink()
    assert "train-00000.npy" in musevae.refuses("evaluate", model_folder, "--data", "ds", "--split", "train")


def test_a_dataset_of_another_representation_is_refused(musevae: Command, model_folder: Path, write: Write) -> None:
    setting = ("--set", "representation.time_signature=3/4")
    musevae.succeeds("prepare", write("train/waltz.mid", bars=6, metre=(3, 4)), "-o", "ds", *setting)
    assert "representation" in musevae.refuses("evaluate", model_folder, "--data", "ds", "--split", "train")
    assert "representation" in musevae.refuses("train", "melody-2bar", "--data", "ds", "--run", "run", *SMALLER)
    musevae.refuses("train", "melody-16bar", "--data", "ds", "--run", "run")


def test_an_empty_split_is_refused(musevae: Command, model_folder: Path, dataset: Path) -> None:
    assert "test" in musevae.refuses("evaluate", model_folder, "--data", dataset, "--split", "test")


BAD_TRAINING = {
    "unknown preset": (["melody-2bra"], "did you mean melody-2bar?"),
    "fewer windows than a batch": (["melody-2bar"], "--set train.batch_size=19"),
    "unknown key": (["melody-2bar", "--set", "model.zsize=3"], "did you mean model.z_size?"),
    "unknown section": (["melody-2bar", "--set", "modle.z_size=3"], "did you mean model?"),
    "no value": (["melody-2bar", "--set", "model.z_size"], "section.key=value"),
    "wrong type": (["melody-2bar", "--set", "model.z_size=big"], "whole number"),
    "nothing to resume": (["melody-2bar", "--resume", *SMALLER], "no run to resume"),
    "unknown model to start from": (["melody-2bar", "--init-from", "nowhere", *SMALLER], "nowhere"),
    "unknown device": (["melody-2bar", "--device", "tpu", *SMALLER], "tpu"),
}


@pytest.mark.parametrize(("arguments", "reason"), BAD_TRAINING.values(), ids=BAD_TRAINING)
def test_what_cannot_be_trained_is_refused(musevae: Command, dataset: Path, arguments: list[str], reason: str) -> None:
    assert reason in musevae.refuses("train", *arguments, "--data", dataset, "--run", "run")


BAD_CORPORA = {
    "missing": (["nowhere"], "does not exist"),
    "no music": (["folder"], "no music file"),
    "text": (["notes.txt"], "notes.txt"),
    "archive": (["broken.zip"], "broken.zip"),
    "silence": (["silent.mid"], "no window"),
    "unknown preset": (["silent.mid", "-m", "melody-2bra"], "did you mean melody-2bar?"),
    "bar of no whole steps": (["silent.mid", "--set", "representation.time_signature=5/32"], "whole number of steps"),
}


@pytest.mark.parametrize(("arguments", "reason"), BAD_CORPORA.values(), ids=BAD_CORPORA)
def test_what_is_no_corpus_is_refused(musevae: Command, write: Write, arguments: list[str], reason: str) -> None:
    Path("folder").mkdir()
    Path("notes.txt").touch()
    Path("broken.zip").write_bytes(b"PK")
    write("silent.mid", NoteSequence.from_notes([]))
    assert reason in musevae.refuses("prepare", *arguments, "-o", "ds")


def test_an_existing_dataset_or_run_is_kept(musevae: Command, dataset: Path, write: Write) -> None:
    assert "--force" in musevae.refuses("prepare", write(), "-o", dataset)
    command = ["train", "melody-2bar", "--data", str(dataset), "--run", "run", "--steps", "1", *SMALLER]
    musevae.succeeds(*command)
    assert "--resume" in musevae.refuses(*command)


def test_a_folder_with_arrays_of_its_own_is_no_place_for_a_dataset(musevae: Command, write: Write) -> None:
    """Writing a dataset takes stale shards away: a user's own .npy files would have gone with them."""
    Path("mine").mkdir()
    Path("mine/a.npy").touch()
    assert "mine" in musevae.refuses("prepare", write(), "-o", "mine")
