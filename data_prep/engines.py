"""Where chunks are read: in this process, or by worker processes that may crash or hang without harm.

An engine takes numbered jobs and gives each one's bytes, in any order. Of a file that ends its worker, or takes too
long, the next worker hears that it is not to be read.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from data_prep.pieces import Tick, TooSlow
from data_prep.sources import Fault, Source

CRASHES = 2  # of one file, before it is given up: the first may have been the memory's fault
AHEAD = 2  # jobs for each worker that wait, read already
GRACE_SECONDS = 5.0  # beyond the time for a file, for the worker to notice it itself
START_SECONDS = 60.0  # for a worker to start
READY = -1  # what a worker says first
LESS_WORK = "most likely for want of memory: try fewer --workers"
NO_START = "a worker process ended as it started (exit code {}): try --workers 1, or see what it printed"


class WorkerError(ValueError):
    """Workers that cannot work at all."""


class Job(NamedTuple):
    """Sources to be read together."""

    number: int
    sources: tuple[Source, ...]


class Work(Protocol):
    """What is done with a job's sources, in any process."""

    def __call__(self, sources: Sequence[Source], *, tick: Tick | None = None) -> bytes:
        """Their chunk as bytes; `tick` is told, before each source, how many are done."""


Results = Generator[tuple[int, bytes], None, None]  # a job's number and its chunk
Engine = Callable[[Work, Iterator[Job]], Results]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TooSlow inside the block when the time is up; without effect where there are no alarms, as on Windows."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise TooSlow(too_slow(seconds))

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def too_slow(seconds: float) -> str:
    """What is said of a file that takes too long."""
    return f"took more than {seconds:g} s: --time-limit allows more"


@dataclass
class InProcess:
    """An engine in this process. Should a job end it, the next run leaves that job to a worker process."""

    seconds: float
    journal: Path  # holds the number of the job in hand

    def __call__(self, work: Work, jobs: Iterator[Job]) -> Results:
        """Read one job after the other."""
        suspect = self.journal.read_text() if self.journal.exists() else ""
        try:
            for job in jobs:
                self.journal.write_text(str(job.number))
                if str(job.number) == suspect:
                    yield from Processes(1, self.seconds)(work, iter([job]))
                else:
                    yield job.number, work(job.sources)
        finally:  # which a process that is ended does not come to
            self.journal.unlink(missing_ok=True)


@dataclass
class Worker:
    """A process, the job it has and the file it is at."""

    process: BaseProcess
    connection: Connection[Any, Any]
    deadline: float = 0.0
    job: Job | None = None
    at: int = READY


@dataclass
class Processes:
    """An engine of so many worker processes, which have so many seconds for a file."""

    workers: int
    seconds: float
    crashes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (job, source) -> workers that died of it

    def __call__(self, work: Work, jobs: Iterator[Job]) -> Results:
        """Keep every worker busy until all jobs are done."""
        team: list[Worker] = []
        waiting: deque[Job] = deque()
        try:
            while True:
                more = self._refill(waiting, jobs)
                while waiting and (idle := self._idle(team, work)):
                    self._give(idle, waiting.popleft())
                busy = [worker for worker in team if worker.job]
                if not busy and not waiting and not more:
                    return
                yield from self._heard(busy, waiting, hurry=more)
                team = [worker for worker in team if not worker.connection.closed]  # not yet those that just died
        finally:
            for worker in team:
                _end(worker)

    def _refill(self, waiting: deque[Job], jobs: Iterator[Job]) -> bool:
        """Read one more job ahead, if there is room; tells whether there may be more to read at once."""
        if len(waiting) >= AHEAD * self.workers:
            return False
        job = next(jobs, None)
        if job is None:
            return False
        waiting.append(job)
        return True

    def _idle(self, team: list[Worker], work: Work) -> Worker | None:
        """A worker without a job, started where there may be another."""
        idle = next((worker for worker in team if not worker.job), None)
        if idle is None and len(team) < self.workers:
            idle = _started(work)
            team.append(idle)
        return idle

    def _give(self, worker: Worker, job: Job) -> None:
        worker.job, worker.deadline = job, time.monotonic() + self.seconds + START_SECONDS
        with suppress(OSError):  # of a dead worker; _message finds out
            worker.connection.send(job.sources)

    def _heard(self, busy: list[Worker], waiting: deque[Job], *, hurry: bool) -> Results:
        """What has come from the workers: results. Files done move deadlines; the dead and the late are replaced."""
        patience = 0.0 if hurry else max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
        ready = wait([worker.connection for worker in busy], patience)
        for worker in busy:
            if worker.connection in ready:
                yield from self._message(worker, waiting)
            elif time.monotonic() > worker.deadline:
                _end(worker)
                if worker.at == READY:
                    raise WorkerError(NO_START.format(worker.process.exitcode))
                self._retry(worker, waiting, Fault("too slow", too_slow(self.seconds)), 1)

    def _message(self, worker: Worker, waiting: deque[Job]) -> Results:
        assert worker.job
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            _end(worker)
            if worker.at == READY:
                raise WorkerError(NO_START.format(worker.process.exitcode)) from None
            died = f"ended its worker {CRASHES} times (exit code {worker.process.exitcode})"
            self._retry(worker, waiting, Fault("crashed", died), CRASHES)
            return
        if isinstance(message, int):
            worker.at, worker.deadline = max(message, 0), time.monotonic() + self.seconds + GRACE_SECONDS
        else:
            number, worker.job = worker.job.number, None
            yield number, message

    def _retry(self, worker: Worker, waiting: deque[Job], fault: Fault, times: int) -> None:
        """Put the job back, its file with the fault if it has failed so often."""
        assert worker.job
        sources = list(worker.job.sources)
        culprit = sources[worker.at]
        if culprit.fault:
            raise WorkerError(f"worker processes end where nothing is read any more, after {culprit.name}: {LESS_WORK}")
        place = (worker.job.number, worker.at)
        self.crashes[place] += 1
        if self.crashes[place] >= times:
            told = fault._replace(message=f"{culprit.name} {fault.message}")
            sources[worker.at] = culprit._replace(fault=told, data=None)
        waiting.appendleft(Job(worker.job.number, tuple(sources)))
        worker.job = None


def _started(work: Work) -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


def _end(worker: Worker) -> None:
    """End a worker's process, whatever it is doing."""
    worker.process.kill()
    worker.process.join()
    worker.connection.close()


def serve(work: Work, connection: Connection[Any, Any]) -> None:
    """A worker's life: jobs in, ticks and bytes out, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, OSError):
        connection.send(READY)
        while True:
            connection.send(work(connection.recv(), tick=connection.send))
