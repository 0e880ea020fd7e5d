"""train and evaluate: a run folder that samples, resumes and fine-tunes; the figures in their order."""

from __future__ import annotations

import io
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from tqdm import tqdm

from musevae import load
from musevae.cli import progress
from tests.cli.command import SMALLER, Command

FIGURES = [
    "model",
    "split",
    "examples",
    "nelbo_nats",
    "reconstruction_nats",
    "kl_nats",
    "bits_per_step",
    "teacher_forced_accuracy",
    "greedy_accuracy",
    "sampled_accuracy",
    "greedy_onset_accuracy",
    "sampled_onset_accuracy",
    "active_units",
]


def test_train_makes_a_model_folder_that_samples(musevae: Command, dataset: Path) -> None:
    command = [
        "train",
        "melody-2bar",
        "--data",
        str(dataset),
        "--run",
        "runs/x",
        "--steps",
        "2",
        "--seed",
        "3",
        *SMALLER,
    ]
    first, second = musevae.succeeds(*command).splitlines()
    assert first.startswith("runs/x: 2 steps, validation loss ")
    assert first.endswith(" nats, seed 3")
    assert second == "hear it with: musevae sample -m runs/x"
    assert musevae.json("sample", "-m", "runs/x", "-n", "1")["model"] == "x"


def test_train_json(musevae: Command, dataset: Path) -> None:
    options = ["--data", str(dataset), "--run", "x", "--steps", "1", "--seed", "3", "--threads", "1", *SMALLER]
    report = musevae.json("train", "melody-2bar", *options)
    assert report.pop("validation_loss_nats") > 0
    assert report == {"command": "train", "preset": "melody-2bar", "run": "x", "steps": 1, "seed": 3}


def test_resumed_run_has_the_threads_that_it_had(
    musevae: Command, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number that the machine's load would suggest may be another by now, and sums be rounded otherwise."""
    options = ["train", "melody-2bar", "--data", str(dataset), "--run", "x", "--steps"]
    musevae.succeeds(*options, "1", "--threads", "1", *SMALLER)
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("musevae.training.threads.threads", lambda parameters, batch: 2)
    musevae.succeeds(*options, "2", "--resume")
    assert chosen == [1]
    musevae.succeeds("evaluate", "x", "--data", str(dataset))
    assert chosen == [1, 2]


def test_fine_tuning_starts_from_any_model(musevae: Command, model_folder: Path, dataset: Path) -> None:
    options = ["--data", str(dataset), "--run", "x", "--steps", "1", "--init-from", str(model_folder), *SMALLER]
    musevae.succeeds("train", "melody-2bar", *options, "--set", "train.learning_rate=1e-9")
    tuned, start = (load(folder).vae.state_dict() for folder in ("x", model_folder))
    assert all(tuned[name].allclose(start[name], atol=1e-6) for name in start)


def test_a_dry_run_says_what_training_costs_and_makes_nothing(musevae: Command) -> None:
    lines = musevae.succeeds("train", "melody-2bar", "--dry-run").splitlines()
    assert lines[0].split() == ["layer", "kind", "size", "parameters", "steps", "MFLOP"]
    assert lines[1].split() == [
        "encoder.layers.0",
        "bidirectional",
        "LSTM",
        "90",
        "->",
        "512",
        "710,656",
        "32",
        "45.35",
    ]
    assert lines[-4:-2] == ["1,417,562 parameters", "78.3 MFLOP an example forward, 156.6 backward"]
    assert lines[-2].startswith("75.8 MB for batches of 64: weights 5.7, ")
    assert lines[-1] == "52.1 MB on a GPU, where activations have 16 bits"
    assert not list(Path().iterdir())


def test_dry_run_json(musevae: Command) -> None:
    report = musevae.json("train", "melody-2bar", "--dry-run", *SMALLER)
    assert (report["command"], report["preset"], report["batch_size"]) == ("train", "melody-2bar", 8)
    assert report["parameters"] == sum(layer["parameters"] for layer in report["layers"])
    assert report["flops_per_example"]["backward"] == 2 * report["flops_per_example"]["forward"]
    assert list(report["memory_bytes"]) == ["weights", "gradients", "adam", "activations", "total"]


@pytest.mark.parametrize(("present", "missing"), [("--run", "--data"), ("--data", "--run")])
def test_only_a_dry_run_goes_without_folders(musevae: Command, present: str, missing: str) -> None:
    assert f"Missing option '{missing}'" in musevae.refuses("train", "melody-2bar", present, "x", status=2)


def test_a_profile_is_printed_and_written(musevae: Command, dataset: Path) -> None:
    options = ["--data", str(dataset), "--run", "x", "--steps", "8", "--seed", "3", *SMALLER]
    assert "Self CPU" in musevae.succeeds("train", "melody-2bar", *options, "--profile")
    assert Path("x/trace.json").exists()


def test_the_bar_of_a_resumed_run_counts_its_rate_from_where_it_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[tqdm[NoReturn]] = []

    def shown(**options: Any) -> tqdm[NoReturn]:  # noqa: ANN401 - tqdm's
        bars.append(tqdm(**{**options, "disable": False}, file=io.StringIO()))
        return bars[0]

    monkeypatch.setattr(progress, "tqdm", shown)
    figures = dict.fromkeys(progress.TRAINING_FIGURES, 0.5)
    with progress.training() as advance:
        advance({**figures, "step": 5000}, 10_000)
        advance({**figures, "step": 5050}, 10_000)
        assert (bars[0].n, bars[0].initial, bars[0].total) == (5050, 5000, 10_000)
        assert bars[0].postfix == "loss=0.5, kl=0.5, rate=0.5, examples/s=0.5"


@pytest.mark.parametrize("as_json", [False, True])
def test_evaluate_prints_the_figures_in_order(
    musevae: Command, model_folder: Path, dataset: Path, as_json: bool
) -> None:
    command = ["evaluate", str(model_folder), "--data", str(dataset)]
    printed = musevae.json(*command) if as_json else dict(map(str.split, musevae.succeeds(*command).splitlines()))
    assert list(printed) == FIGURES
    assert (printed["model"], printed["split"], int(printed["examples"])) == ("tiny", "validation", 9)


def test_evaluation_is_repeatable(musevae: Command, model_folder: Path, dataset: Path) -> None:
    command = ["evaluate", str(model_folder), "--data", str(dataset), "--split", "train"]
    assert musevae.json(*command) == musevae.json(*command)


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_interrupted_training_writes_a_checkpoint_and_says_how_to_go_on(
    musevae: Command, dataset: Path, number: signal.Signals
) -> None:
    options = ["--data", str(dataset), "--run", "run 1", "--steps", "1000000", *SMALLER, "--set", "train.log_every=1"]
    command = [sys.executable, "-m", "musevae", "train", "melody-2bar", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not Path("run 1/log.jsonl").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        printed, complaint = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert complaint.startswith("Error: interrupted at step ")
    assert complaint.count("\n") == 1
    program, *resume = shlex.split(complaint.partition("to go on: ")[2])
    assert program == "musevae"
    musevae.succeeds(*("1" if part == "1000000" else part for part in resume))
    musevae.succeeds("sample", "-m", "run 1", "-n", "1")
