"""Files that end or hold up their reader cost themselves and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from data_prep import Report, engines, pieces, prepare
from data_prep.engines import Job, Processes, WorkerError, time_limit
from data_prep.pieces import TooSlow
from musevae.music.note_sequence import NoteSequence
from tests.data_prep import corpora
from tests.data_prep.corpora import ONE_BAR, contents, write_corpus

MODULE = import_module("data_prep.prepare")
needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no such signals")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "in")


@pytest.fixture
def prepared(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Prepare the corpus, in chunks of four files, read by a function of its own."""
    monkeypatch.setattr(MODULE, "CHUNK_FILES", 4)

    def run(read: Any = None, *, out: str = "out", **options: Any) -> Report:  # noqa: ANN401
        if read:
            monkeypatch.setattr(MODULE, "read_piece", read)
        report = prepare([corpus], tmp_path / out, ONE_BAR, **options)
        assert not multiprocessing.active_children()
        return report

    return run


@needs_signals
@pytest.mark.parametrize(
    ("read", "reason", "message"),
    [
        (corpora.deadly, "crashed", "in/validation/07.mid ended its worker 2 times (exit code -9)"),
        (corpora.endless, "too slow", "in/validation/07.mid took more than 0.2 s: --time-limit allows more"),
    ],
)
def test_file_that_ends_or_holds_up_its_worker_is_named_and_the_rest_is_read(
    prepared: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, read: object, reason: str, message: str
) -> None:
    monkeypatch.setattr(engines, "GRACE_SECONDS", 0.2)
    report = prepared(read, workers=2, time_limit_seconds=0.2)
    assert report.skipped == {reason: 1, "unreadable": 1}
    assert report.unreadable["in/validation/07.mid"] == message
    assert (report.files, sum(report.windows.values())) == (25, 46)


@needs_signals
def test_file_is_given_a_second_chance(prepared: Callable[..., Report], tmp_path: Path) -> None:
    """What ends a worker may be the machine, short of memory, and not the file."""
    prepared(out="whole")
    prepared(corpora.unlucky, workers=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@needs_signals
def test_file_that_takes_too_long_in_this_process_is_skipped(
    prepared: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = pieces.parse_midi

    def sluggish(data: bytes, name: str) -> NoteSequence:
        time.sleep(60 * name.endswith("07.mid"))
        return parse(data, name)

    monkeypatch.setattr(pieces, "parse_midi", sluggish)
    assert prepared(time_limit_seconds=0.2).skipped == {"too slow": 1, "unreadable": 1}


@needs_signals
def test_time_limit_leaves_what_is_quick_alone_and_no_alarm_behind() -> None:
    with time_limit(5):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with pytest.raises(TooSlow, match=r"more than 0\.01 s"), time_limit(0.01):
        time.sleep(5)


@needs_signals
def test_file_that_ended_this_process_is_left_to_a_worker_by_the_next(
    prepared: Callable[..., Report], corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / ".unfinished").mkdir(parents=True)
    process = os.fork()
    if not process:
        prepared(corpora.deadly)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL
    report = prepared(corpora.deadly)
    assert report.skipped == {"crashed": 1, "unreadable": 1}


def test_as_many_workers_as_one_likes(prepared: Callable[..., Report], tmp_path: Path) -> None:
    for workers in (1, 3):
        prepared(out=str(workers), workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def fail_to_start() -> None:
    raise SystemExit(3)


class Unloadable:
    """Work that cannot be loaded in a worker process."""

    def __call__(self, *_: object, **__: object) -> bytes:
        return b""

    def __reduce__(self) -> tuple[Any, ...]:
        return fail_to_start, ()


def test_workers_that_cannot_start_are_told_at_once() -> None:
    """Else every file would be taken for one that ends its worker."""
    with pytest.raises(WorkerError, match=r"ended as it started \(exit code 3\): try --workers 1"):
        list(Processes(2, 60)(Unloadable(), iter([Job(0, ())])))


@pytest.mark.parametrize(("options", "problem"), [({"workers": 0}, "workers is 0"), ({"engine": "spark"}, "engine is")])
def test_engine_that_is_none_is_refused(corpus: Path, tmp_path: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        partial(prepare, [corpus], tmp_path / "out", ONE_BAR)(**options)
    assert not (tmp_path / "out").exists()
