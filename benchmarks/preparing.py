"""How fast `musevae prepare` is, what memory it takes, and what that means for a corpus as large as Lakh's.

    python benchmarks/preparing.py CORPUS... [--model melody-2bar] [--workers 1 2] [--windows 10000000]

Prints one JSON object. Files a second are of processor time, whatever else the machine does: of reading and extraction
alone, and of the whole command, from the start of Python to the last byte, with each number of workers; wall time is
worth something on a machine with as many free cores only, so the load before each run is told. With --windows, also
the peak memory of de-duplicating so many windows, most of them different.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.deduplicate import digests
from data_prep.pieces import Chunk, Piece
from data_prep.report import Gathering
from data_prep.sources import find_sources, stream
from data_prep.statistics import Statistics
from musevae import presets
from musevae.music.midi import MidiError, parse_midi
from musevae.music.representation import Representation
from musevae.music.shards import DatasetWriter, read_manifest

LAKH_FILES = 176_581
CHUNK_WINDOWS = 10_000
KIB = 1 << 10  # ru_maxrss is in KiB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="+")
    parser.add_argument("--model", default="melody-2bar")
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--repeat", type=int, default=1, help="how often to run each; the best counts")
    parser.add_argument("--windows", type=int, default=0)
    options = parser.parse_args()
    representation = presets.representation(presets.preset(options.model, ()).representation)
    runs = (extraction(options.corpus, representation) for _ in range(options.repeat))
    figures: dict[str, Any] = {"extraction_per_cpu_s": max(runs, key=itemgetter("files_s"))}
    for workers in options.workers:
        runs = (command(options.corpus, options.model, workers) for _ in range(options.repeat))
        figures[f"command_with_{workers}_workers"] = min(runs, key=itemgetter("wall_s"))
    if options.windows:
        figures["memory_mib_of_many_windows"] = memory_of(options.windows, representation)
    print(json.dumps(figures, indent=2))


def extraction(corpus: list[str], representation: Representation) -> dict[str, float]:
    """Reading and cutting into windows, nothing else, in this process."""
    begin, files, windows = time.process_time(), 0, 0
    for source in stream(find_sources(corpus)):
        files += 1
        try:
            windows += len(representation.windows(parse_midi(source.read(), source.name)).events)
        except MidiError:
            continue
    seconds = time.process_time() - begin
    return {"files_s": files / seconds, "windows_s": windows / seconds}


def command(corpus: list[str], model: str, workers: int) -> dict[str, float]:
    """The whole command, in processes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "dataset")
        arguments = ["prepare", *corpus, "-o", str(output), "-m", model, "--workers", str(workers), "--json"]
        load, begin, before = os.getloadavg()[0], time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-m", "musevae", *arguments], check=True, capture_output=True)
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        read_manifest(output)  # it is one
    report = json.loads(done.stdout)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    files, windows = report["files"], sum(report["windows"].values()) + sum(report["duplicates"].values())
    return {
        "files": files,
        "windows": windows,
        "load_before": load,
        "wall_s": wall,
        "cpu_s": seconds,
        "files_per_s": files / wall,
        "files_per_cpu_s": files / seconds,
        "windows_per_cpu_s": windows / seconds,
        "peak_memory_mib": after.ru_maxrss / KIB,
        "lakh_cpu_minutes": LAKH_FILES / files * seconds / 60,
        "lakh_minutes": LAKH_FILES / files * wall / 60,
    }


def memory_of(windows: int, representation: Representation) -> float:
    """Peak MiB of a process that gathers so many random windows."""
    script = f"import preparing; print(preparing.gathered({windows}, {representation!r}))"
    imports = f"from {type(representation).__module__} import {type(representation).__name__}; {script}"
    folder = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", imports], check=True, capture_output=True, text=True, cwd=folder)
    return float(done.stdout)


def gathered(windows: int, representation: Representation) -> float:
    """Gather random windows, a hundredth of them repeated, as chunks of files give them; the peak MiB of it."""
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        gathering = Gathering(DatasetWriter(Path(folder)), dedupe=True)
        for number in range(windows // CHUNK_WINDOWS):
            events = draw.integers(0, 90, (CHUNK_WINDOWS, *representation.shape)).astype(representation.dtype)
            events[: CHUNK_WINDOWS // 100] = events[-1]
            piece = Piece(str(number), content=f"{number:032x}", fingerprint=number, windows=len(events))
            gathering.add(Chunk([piece], Statistics().counts[None], events, digests(events)))
        assert sum(gathering.report.windows.values()) == windows // 100 * 99
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB


if __name__ == "__main__":
    main()
