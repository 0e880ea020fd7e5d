"""Chunks read on a Dask cluster: the same function, the same bytes."""

from __future__ import annotations

import faulthandler
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from data_prep.engines import Job, Processes, Results, Work, WorkerError
from data_prep.sources import Source

AHEAD = 3  # jobs for each thread of the cluster, at work or waiting
ONE_AT_A_TIME = threading.Lock()  # in a worker process, whose watch knows one file only


@dataclass
class Cluster:
    """An engine on the Dask cluster of a scheduler's address, or on one of so many local processes.

    Jobs of lost workers are done again by others; one that ends several workers is read here, where the file that does
    it is found and left out.
    """

    scheduler: str | None
    workers: int
    seconds: float  # for a file

    def __call__(self, work: Work, jobs: Iterator[Job]) -> Results:
        """Keep the cluster busy until all jobs are done."""
        try:
            from distributed import KilledWorker, as_completed  # an extra
        except ImportError:
            raise WorkerError("the engine dask needs Dask: pip install musevae[dask]") from None
        task = partial(watched, work=work, seconds=self.seconds)
        with self._client() as client:
            at_work: dict[str, Job] = {}

            def submitted(count: int) -> list[Any]:
                futures = []
                for job in islice(jobs, count):
                    futures.append(client.submit(task, job.sources, pure=False))
                    at_work[futures[-1].key] = job
                return futures

            finished = as_completed(submitted(AHEAD * max(1, sum(client.nthreads().values()))), raise_errors=False)
            for future in finished:
                job, error = at_work.pop(future.key), future.exception()
                finished.update(submitted(1))
                if isinstance(error, KilledWorker):
                    yield from Processes(1, self.seconds)(work, iter([job]))
                else:
                    yield job.number, future.result()

    def _client(self) -> Any:  # noqa: ANN401 - distributed's own, which is loaded lazily
        from distributed import Client  # an extra

        if self.scheduler is None:
            return Client(n_workers=self.workers, threads_per_worker=1, dashboard_address=None)
        try:
            return Client(self.scheduler)
        except (OSError, ValueError) as error:
            raise WorkerError(f"no Dask scheduler answers at {self.scheduler} ({error}): check it") from None


def watched(sources: Sequence[Source], *, work: Work, seconds: float) -> bytes:
    """A job's chunk; a file that takes too long ends this worker process, whatever it is doing."""

    def tick(done: int) -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)

    with ONE_AT_A_TIME:
        try:
            return work(sources, tick=tick)
        finally:
            faulthandler.cancel_dump_traceback_later()
