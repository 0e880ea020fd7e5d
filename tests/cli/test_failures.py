"""A full disk, an interruption, a folder that may not be written: nothing half-written, nothing lost."""

import errno
import os
from pathlib import Path

import pytest

from musevae import TrainedModel
from tests.cli.command import SMALLER, Command, Write


class FullDisk:
    """Stands for os.fsync: the disk is full after `files` files."""

    def __init__(self, files: int) -> None:
        self.files = files

    def __call__(self, handle: int) -> None:
        self.files -= 1
        if self.files < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_nothing_behind(
    musevae: Command, model_folder: Path, write: Write, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.mid", bars=9)
    monkeypatch.setattr(os, "fsync", FullDisk(0))
    for command in (["sample"], ["reconstruct", "a.mid"], ["encode", "a.mid", "-o", "deep/z.npz"]):
        assert "disk is full" in musevae.refuses(*command, "-m", model_folder)


def test_files_written_before_the_disk_was_full_stay_whole(
    musevae: Command, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["sample", "-m", str(model_folder), "-n", "4", "--seed", "1"]
    musevae.succeeds(*command, "-o", "all")
    monkeypatch.setattr(os, "fsync", FullDisk(2))
    result = musevae(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: out/tiny-sample-s1-002.mid: the disk is full")
    written = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert written == {
        f"tiny-sample-s1-00{i}.mid": Path(f"all/tiny-sample-s1-00{i}.mid").read_bytes() for i in range(2)
    }


@pytest.mark.parametrize(
    "command", [["prepare", "a.mid", "-o", "ds"], ["train", "melody-2bar", "--run", "run", *SMALLER]]
)
def test_preparing_and_training_say_that_the_disk_is_full(
    musevae: Command, write: Write, dataset: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    write("a.mid", bars=9)
    monkeypatch.setattr(os, "fsync", FullDisk(0))
    result = musevae(*command, *(["--data", str(dataset), "--steps", "1"] if command[0] == "train" else []))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "disk is full" in result.stderr
    assert not [path for path in Path().rglob("*") if path.suffix in (".npy", ".safetensors", ".part")]


def test_an_interruption_is_one_line(musevae: Command, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainedModel, "sample_counting", interrupted)
    assert "interrupted" in musevae.refuses("sample", "-m", model_folder, status=130)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused(musevae: Command, model_folder: Path) -> None:
    Path("mine").mkdir(mode=0o500)
    assert "permissions" in musevae.refuses("sample", "-m", model_folder, "-o", "mine/out")
