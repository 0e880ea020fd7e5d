"""Whether a run can always be resumed: kill -9 at random moments, resume, and compare with a run left in peace.

    python benchmarks/kill_and_resume.py [--kills 50] [--folder FOLDER] [--seed 0]

Each attempt is a process of its own, killed at a random moment; it writes a checkpoint at every step, so that many
kills fall into the writing of one. Prints one JSON object; the exit status is 1 where the runs differ.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import torch

from musevae.checkpoint import read_tensors
from musevae.config import Config, MelodyConfig, ModelConfig, TrainConfig
from musevae.music.shards import write_dataset
from musevae.presets import representation
from musevae.training import run_log, states
from musevae.training.run import train

CONFIG = Config(
    preset="tiny",
    representation=MelodyConfig(bars=1),
    model=ModelConfig(z_size=8, encoder_sizes=(32,), decoder_sizes=(32,)),
    train=TrainConfig(steps=1_000_000, batch_size=8, log_every=1, validate_every=1, transpose=2),
)
PROCESSES = multiprocessing.get_context("fork")  # torch, and TensorBoard where it is installed, are imported once
LONGEST_S = 0.5  # from the first step of an attempt to its kill
AT_START = 0.2  # of the attempts are killed that long after they began instead
ENOUGH = 3  # steps after the last kill


def make_dataset(folder: Path) -> Path:
    """A few random windows."""
    events, draw = representation(CONFIG.representation), np.random.default_rng(0)
    windows = draw.integers(0, int(np.max(events.classes)), (40, *events.shape), dtype=np.uint8)
    arrays = {"train": windows[:32], "validation": windows[32:], "test": windows[:0]}
    about = {"representation": {"name": events.name, **asdict(events)}, "window_shape": events.shape, "dtype": "uint8"}
    write_dataset(folder, arrays, {**about, "sources": [{"name": "random"}]})
    return folder


def attempt(data: Path, run: Path, steps: int, begun: Event | None = None) -> None:
    """Begin the run, or go on with it; sets the event `begun` after a step."""
    torch.set_num_threads(1)
    report = (lambda *_: begun.set()) if begun else None
    train(CONFIG, data, run, steps=steps, resume=states.exists(run), progress=report)


def killed(data: Path, run: Path, after_s: float, at_start: bool) -> bool:
    """Train for that long, counted from the first step or from the start, and kill; False where it ended by itself."""
    begun = PROCESSES.Event()
    process = PROCESSES.Process(target=attempt, args=(data, run, CONFIG.train.steps, begun))
    process.start()
    while not (at_start or begun.wait(0.1)) and process.is_alive():
        pass
    time.sleep(after_s)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def whole(data: Path, run: Path, steps: int) -> int:
    """Train up to a step in a process of its own; returns its exit status."""
    process = PROCESSES.Process(target=attempt, args=(data, run, steps))
    process.start()
    process.join()
    return process.exitcode or 0


def outcome(run: Path) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    """The last state's counters and digest, and all losses."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return read_tensors(run / states.LAST)[1], [(line["kind"], line["step"], line["loss"]) for line in lines]


def measure(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill and resume so often, then compare."""
    data, draw = make_dataset(folder / "dataset"), random.Random(seed)
    if board := run_log.tensorboard(folder / "imported"):
        board.close()
    resumed, unfinished, steps = 0, 0, []
    for _ in range(kills):
        resumed += killed(data, folder / "killed", draw.uniform(0, LONGEST_S), draw.random() < AT_START)
        unfinished += len(list((folder / "killed").rglob(".*.part")))
        steps.append(states.read(folder / "killed").step if states.exists(folder / "killed") else 0)
    end = steps[-1] + ENOUGH
    statuses = [whole(data, folder / name, end) for name in ("killed", "peaceful")]
    same = statuses == [0, 0] and outcome(folder / "killed") == outcome(folder / "peaceful")
    report = {"kills": kills, "resumed": resumed, "kills while a file was written": unfinished}
    return {**report, "steps at the kills": steps, "same as uninterrupted": same}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="where to keep the runs; a temporary folder where none is given")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        report = measure(options.folder or Path(temporary), options.kills, options.seed)
    print(json.dumps(report))
    sys.exit(not report["same as uninterrupted"])


if __name__ == "__main__":
    main()
