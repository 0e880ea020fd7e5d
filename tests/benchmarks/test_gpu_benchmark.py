"""The GPU's benchmark where there is none, and its parts that do without."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import torch

from musevae import presets
from musevae.training.cost import cost

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_without_a_gpu_it_says_so_and_claims_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert (done.returncode, done.stdout, done.stderr) == (0, "there is no GPU here: nothing was measured\n", "")
    assert not (tmp_path / "out").exists()


def test_what_is_measured_runs_and_counts_its_arithmetic() -> None:
    """On the CPU, with a small preset: a step of training changes the weights, a call of decoding gives events."""
    benchmark, device = runpy.run_path(str(SCRIPT)), torch.device("cpu")
    trained, sampled = (benchmark[kind]("melody-2bar", 2) for kind in ("training", "sampling"))
    trained.make(device)()
    assert sampled.make(device)().shape == benchmark["sampling"]("melody-2bar", 2, graph=False).make(device)().shape
    assert trained.flops == sum(cost(presets.preset("melody-2bar")).flops.values()) > 3 * sampled.flops > 0


def test_report_has_a_row_for_each_figure() -> None:
    benchmark = runpy.run_path(str(SCRIPT))
    figure = benchmark["Figure"]("train x, batch 2", 1234.5, 300.0, 0.4, 20.0)
    report = benchmark["markdown"]("a GPU", 750.0, [figure, "train y: out of memory"], "table")
    assert "| train x, batch 2 | 1,234 | 300.0 | 40.0% | 20.0 |" in report
    assert "train y: out of memory" in report
