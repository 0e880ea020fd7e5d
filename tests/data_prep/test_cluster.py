"""The same dataset from a Dask cluster, whatever happens to its workers."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from data_prep import prepare
from data_prep.engines import WorkerError
from musevae.music.shards import read_manifest
from tests.data_prep import corpora
from tests.data_prep.corpora import ONE_BAR, contents, write_corpus

distributed = pytest.importorskip("distributed")
MODULE = import_module("data_prep.prepare")

pytestmark = pytest.mark.filterwarnings("default")  # of Dask, about its own affairs


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes and their scheduler."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options, silence_logs="CRITICAL") as cluster:
        yield cluster


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The dataset that this process makes."""
    monkeypatch.setattr(MODULE, "CHUNK_FILES", 2)
    prepare([write_corpus(tmp_path / "in")], tmp_path / "whole", ONE_BAR)
    return contents(tmp_path / "whole")


def kill_a_worker(cluster: Any, chunks: Path) -> None:  # noqa: ANN401
    """Once the first chunk has come."""
    while not list(chunks.glob("*.chunk")):
        time.sleep(0.01)
    next(iter(cluster.workers.values())).process.process._process.kill()


def test_cluster_that_loses_a_worker_in_mid_run_makes_the_same_bytes(
    cluster: Any,  # noqa: ANN401
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MODULE, "read_piece", corpora.slow)
    killer = threading.Thread(target=kill_a_worker, args=(cluster, tmp_path / "out" / ".unfinished"))
    killer.start()
    prepare([tmp_path / "in"], tmp_path / "out", ONE_BAR, engine="dask", scheduler=cluster.scheduler_address)
    killer.join()
    assert contents(tmp_path / "out") == whole


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_file_that_ends_every_worker_is_found_and_named(
    cluster: Any,  # noqa: ANN401
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MODULE, "read_piece", corpora.deadly)
    cluster.scheduler.allowed_failures = 0
    report = prepare([tmp_path / "in"], tmp_path / "out", ONE_BAR, engine="dask", scheduler=cluster.scheduler_address)
    assert report.skipped == {"crashed": 1, "unreadable": 1}
    assert "in/validation/07.mid" in read_manifest(tmp_path / "out")["unreadable"]
    assert (report.files, sum(report.windows.values())) == (25, 46)


def test_no_scheduler_is_told(whole: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="no Dask scheduler answers at nonsense"):
        prepare([tmp_path / "in"], tmp_path / "out", ONE_BAR, engine="dask", scheduler="nonsense://here:1")
    with pytest.raises(ValueError, match="add --engine dask"):
        prepare([tmp_path / "in"], tmp_path / "out", ONE_BAR, scheduler="tcp://here:1")
    assert not (tmp_path / "out").exists()


def test_without_dask_it_says_what_to_install(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(WorkerError, match=r"pip install musevae\[dask\]"):
        prepare([tmp_path / "in"], tmp_path / "out", ONE_BAR, engine="dask")
