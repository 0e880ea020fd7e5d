"""Two processes on one machine, over gloo: the curve of one process, and an end without a hang when one is killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from musevae.config import Config
from musevae.training import run_log, states
from musevae.training.distributed import LostProcessError
from musevae.training.run import train

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes as POSIX has them"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
ALL_DRAWS = ("model.dropout=0.2", "train.sampling=inverse_sigmoid", "train.sampling_rate=2")  # besides order and z
Launch = Callable[..., list[BaseProcess]]


def rank_main(variables: Mapping[str, str], complaints: Path, arguments: Mapping[str, Any]) -> None:
    """What a process does that torchrun starts."""
    os.environ.update(variables)
    try:
        train(**arguments)
    except (LostProcessError, ValueError) as error:
        complaints.write_text(str(error))
        sys.exit(1)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture
def launch(tiny: Config, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Start so many processes that call `train`, as torchrun would; forked, so that torch is imported once."""
    monkeypatch.setattr(run_log, "tensorboard", lambda run: None)  # slow to import

    def start(size: int, **arguments: Any) -> list[BaseProcess]:  # noqa: ANN401 - of `train`
        arguments = {"preset": tiny, "data": dataset, "run": tmp_path / "run", "device": "cpu", **arguments}
        port, fork = str(free_port()), multiprocessing.get_context("fork")
        processes: list[BaseProcess] = []
        for rank in range(size):
            variables = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
            variables |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            process = fork.Process(target=rank_main, args=(variables, tmp_path / f"complaint{rank}", arguments))
            process.start()
            processes.append(process)
        return processes

    return start


def statuses(processes: list[BaseProcess]) -> list[int | None]:
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def figures(run: Path) -> list[float]:
    lines = map(json.loads, (run / "log.jsonl").read_text(encoding="utf-8").splitlines())
    left_out = ("kind", "examples_per_second")
    return [value for line in lines for name, value in line.items() if name not in left_out]


def test_two_processes_have_the_curve_of_one(tiny: Config, dataset: Path, tmp_path: Path, launch: Launch) -> None:
    assert statuses(launch(2, settings=ALL_DRAWS)) == [0, 0]
    train(tiny, dataset, tmp_path / "one", settings=ALL_DRAWS)
    assert figures(tmp_path / "run") == pytest.approx(figures(tmp_path / "one"), rel=1e-5)
    assert len(figures(tmp_path / "run")) == 8 * 8 + 4 * 4


def test_a_run_goes_on_with_another_number_of_processes(
    tiny: Config, dataset: Path, tmp_path: Path, launch: Launch
) -> None:
    train(tiny, dataset, tmp_path / "one")
    train(tiny, dataset, tmp_path / "run", steps=4)
    assert statuses(launch(2, resume=True, steps=6)) == [0, 0]
    assert statuses(launch(4, resume=True, steps=7)) == [0] * 4
    assert train(tiny, dataset, tmp_path / "run", resume=True).finished
    one, run = (states.read(tmp_path / name) for name in ("one", "run"))
    assert one.metadata.keys() == run.metadata.keys()
    assert all(run.tensors[name].allclose(one.tensors[name], atol=1e-5) for name in one.tensors)


@pytest.mark.parametrize("killed", [0, 1])
def test_when_a_process_is_killed_the_other_ends_and_the_run_goes_on(
    tiny: Config, dataset: Path, tmp_path: Path, launch: Launch, killed: int
) -> None:
    processes = launch(2, steps=1_000_000)
    while not states.exists(tmp_path / "run") and all(process.is_alive() for process in processes):
        time.sleep(0.01)
    processes[killed].kill()
    assert statuses(processes)[1 - killed] == 1
    complaint = (tmp_path / f"complaint{1 - killed}").read_text()
    assert complaint.startswith(
        f"process {1 - killed} of 2 stopped, for another process of this run has ended: --resume"
    )
    step = states.read(tmp_path / "run").step
    assert train(tiny, dataset, tmp_path / "run", resume=True, steps=step + 2).step == step + 2


def test_a_batch_that_two_processes_cannot_share_is_refused(tmp_path: Path, launch: Launch) -> None:
    assert statuses(launch(2, settings=["train.batch_size=5"])) == [1, 1]
    assert "train.batch_size is 5, which 2 processes cannot share" in (tmp_path / "complaint0").read_text()
    assert not (tmp_path / "run").exists()
