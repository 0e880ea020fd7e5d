"""What a run resumes from survives damage, kills and full disks."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from musevae import checkpoint
from musevae.checkpoint import CheckpointError, read_tensors
from musevae.config import Config
from musevae.training import divergence, run_log, states
from musevae.training.divergence import DivergedError
from musevae.training.run import train
from musevae.vaes import load_model

KILLS = os.environ.get("MUSEVAE_KILLS", "2")  # set it to 50 for the whole truth, which takes minutes
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_and_resume.py"
Damage = Callable[[Path], None]
TENSORS = {"model.a": torch.arange(6.0).reshape(2, 3), "exp_avg.a": torch.zeros(2, 3)}


@pytest.fixture(autouse=True)
def without_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "tensorboard", lambda run: None)


@pytest.fixture(scope="module")
def whole(tiny: Config, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tiny, dataset, tmp_path_factory.mktemp("shared") / "whole").run


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A run of 8 steps, whose state before the last is of step 6."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def counters_and_digest(run: Path) -> dict[str, str]:
    """Equal where two states are the same to the last bit."""
    return read_tensors(run / states.LAST)[1]


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def write(run: Path, step: int) -> None:
    (run / "last").mkdir(exist_ok=True)
    states.write(run, TENSORS, {"step": str(step)})


def test_the_last_two_states_are_kept(tmp_path: Path) -> None:
    for step in range(3):
        write(tmp_path, step)
    assert sorted(path.name for path in (tmp_path / "last").iterdir()) == ["previous.safetensors", "state.safetensors"]
    assert states.read(tmp_path).step == 2
    (tmp_path / states.LAST).unlink()
    assert states.read(tmp_path).step == 1


@pytest.mark.parametrize("damage", [change_a_byte, partial(os.truncate, length=40), partial(os.truncate, length=0)])
def test_a_damaged_state_gives_way_to_the_one_before_with_a_warning(
    tiny: Config, dataset: Path, whole: Path, run: Path, caplog: pytest.LogCaptureFixture, damage: Damage
) -> None:
    damage(run / states.LAST)
    assert train(tiny, dataset, run, resume=True).finished
    (warning,) = [record.getMessage() for record in caplog.records if record.name == states.__name__]
    assert "state.safetensors is damaged (" in warning
    assert warning.endswith("going on from previous.safetensors, step 6, instead")
    assert counters_and_digest(run) == counters_and_digest(whole)
    assert (run / "log.jsonl").read_text().count('"train"') == 8


def test_a_run_whose_states_are_all_damaged_is_refused(run: Path) -> None:
    for name in (states.LAST, states.PREVIOUS):
        change_a_byte(run / name)
    with pytest.raises(CheckpointError, match=r"state\.safetensors is damaged \(its sha256 has changed\)"):
        states.read(run)


def test_a_state_without_a_digest_is_of_an_earlier_version_and_read(tiny: Config, dataset: Path, run: Path) -> None:
    tensors, metadata = read_tensors(run / states.LAST)
    checkpoint.write_tensors(run / states.LAST, tensors, {k: v for k, v in metadata.items() if k != "sha256"})
    assert train(tiny, dataset, run, resume=True, steps=9).step == 9


def test_a_state_killed_between_its_renamings_is_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", _full)
        patch.setattr(checkpoint, "write_tensors", _write_plainly)
        with pytest.raises(OSError, match="No space"):
            write(tmp_path, 2)
    assert states.read(tmp_path).step == 2


def _full(*paths: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_plainly(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    path.write_bytes(save(tensors, metadata))


@pytest.mark.parametrize("files", range(4))
def test_a_full_disk_leaves_the_checkpoint_before_usable(
    tiny: Config, dataset: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """The second checkpoint writes a model folder, a config and a state; the disk is full at each of them."""
    run, written, sync = tmp_path / "run", iter(range(100)), os.fsync

    def fsync(handle: int) -> None:
        if next(written) >= files:
            _full()
        sync(handle)

    train(tiny, dataset, run, steps=2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match=r"No space left on device: .*run/"):
            train(tiny, dataset, run, resume=True)
    assert not list(run.rglob("*.part"))
    assert states.read(run).step == 2 + 2 * (files > 3)
    assert train(tiny, dataset, run, resume=True).finished
    assert counters_and_digest(run) == counters_and_digest(whole)


def test_what_a_killed_process_was_writing_is_swept_away(tiny: Config, dataset: Path, run: Path) -> None:
    for name in (".model.safetensors.abc.part", "last/.next.safetensors.abc.part"):
        (run / name).write_bytes(b"half")
    train(tiny, dataset, run, resume=True)
    assert not list(run.rglob("*.part"))


def test_lines_of_the_log_that_are_not_whole_are_dropped(tiny: Config, dataset: Path, run: Path) -> None:
    with (run / "log.jsonl").open("ab") as file:
        file.write(b'\0\0\0\n{"kind": "train"}\n[1]\n{"kind": "tra')
    train(tiny, dataset, run, resume=True, steps=9)
    lines = (run / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines if '"train"' in line] == list(range(1, 10))


def test_killed_at_random_moments_a_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--kills", KILLS, "--folder", str(tmp_path), "--seed", "0"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["kills"], report["resumed"], report["same as uninterrupted"]) == (int(KILLS), int(KILLS), True)


# Giving up


@pytest.mark.parametrize(
    ("loss", "norm", "in_a_row", "verdict"),
    [
        (20.0, 3.0, 0, None),
        (-3000.0, 3.0, 99, None),
        (20.0, float("nan"), 0, "the gradient is not finite"),
        (float("inf"), float("inf"), 0, "the gradient is not finite"),
        (2e6, 3.0, 0, "the loss is beyond 1e+06 nats"),
        (float("nan"), 3.0, 0, "the loss is beyond 1e+06 nats"),
        (20.0, 1e5, 100, "100 steps in a row were skipped"),
    ],
)
def test_runs_are_given_up(loss: float, norm: float, in_a_row: int, verdict: str | None) -> None:
    found = divergence.verdict(loss, norm, in_a_row)
    assert found == verdict if found is None or verdict is None else found.startswith(verdict)


def test_a_message_shows_a_few_windows_and_the_log_has_all(
    tiny: Config, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divergence, "SHOWN", 2)
    monkeypatch.setattr(divergence, "EXPLODED_NATS", 1.0)
    with pytest.raises(
        DivergedError, match=r"at step 0 \(loss .*, training windows \d+, \d+ and 2 more, all in the log"
    ):
        train(tiny, dataset, tmp_path / "run")
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    assert (line["kind"], line["step"], len(line["windows"])) == ("diverged", 0, 4)


def test_weights_that_validate_to_no_number_are_not_kept(
    tiny: Config, dataset: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (run / states.LAST).read_bytes()
    monkeypatch.setattr("musevae.training.trainer.Trainer._validate", lambda _: float("nan"))
    with pytest.raises(DivergedError, match=r"validation loss is not finite at step 8 .*of step 8"):
        train(tiny, dataset, run, resume=True, steps=9)
    assert (run / states.LAST).read_bytes() == before
    assert load_model(run)
