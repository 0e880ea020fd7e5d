"""Sampling speed: from process start to eight files, and sequences a second of Magenta's architectures.

    python benchmarks/sampling.py [--threads 2]

Prints one JSON object; the weights are random, of 32 bits and rounded to 16. Magenta's figures (TensorFlow 2.21, two
free cores): 4.9 s from start to files; sequences a second as in MAGENTA. `sgemm_gflops` is the float32 matrix
rate of the machine in the same run, by which figures of two machines can be compared: `by_matrix_rate` does. With one
thread, time is that of the CPU, so that what else runs on the machine counts for less.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from musevae import MusicVAE

MAGENTA = {
    ("cat-mel_2bar_small", 8): 424.0,
    ("cat-mel_2bar_small", 512): 1449.0,
    ("hierdec-mel_16bar", 8): 4.5,
    ("cat-mel_2bar_big", 8): 6.9,
    ("hierdec-mel_16bar", 64): 12.3,
    ("hierdec-trio_16bar", 8): 1.37,
}
MAGENTA_GFLOPS = 267.0  # of the machine that gave these
MAGENTA_START_SECONDS = 4.9


def rate(function: Callable[[], object], seconds: float = 5.0) -> float:
    """Calls per second, after one to warm up."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    function()
    start, calls = clock(), 0
    while clock() - start < seconds:
        function()
        calls += 1
    return calls / (clock() - start)


def sgemm_gflops(n: int = 1024) -> float:
    """The float32 matrix product's rate."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    return rate(lambda: a @ b, 1.0) * 2 * n**3 / 1e9


def sequences_per_second(preset: str, batch: int, bits: int) -> float:
    """Free-running sequences a second at temperature 0.5, with weights of 32 bits or rounded to 16."""
    vae = MusicVAE.from_preset(preset).eval()
    if bits == 16:
        vae.half().float()
    z = torch.randn(batch, vae.z_size)
    return rate(lambda: vae.decode(z, temperature=0.5)) * batch


def start_to_files(repeats: int = 5) -> float:
    """Median seconds of `musevae sample -n 8`, process start to exit."""
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            command = [sys.executable, "-m", "musevae", "sample", "-n", "8", "-o", folder]
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
            assert len(list(Path(folder).glob("*.mid"))) == 8
    return sorted(times)[repeats // 2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    figures = {
        "machine": platform.machine(),
        "torch": torch.__version__,
        "threads": threads,
        "sgemm_gflops": round(gflops := sgemm_gflops(), 1),
        "start_to_8_files_s": round(seconds := start_to_files(), 2),
        "start_to_8_files_vs_magenta": round(MAGENTA_START_SECONDS / seconds, 2),
    }
    for (preset, batch), magenta in MAGENTA.items():
        for bits in (32, 16):
            measured = sequences_per_second(preset, batch, bits)
            figures[f"{preset} batch {batch}, {bits}-bit weights"] = {
                "per_second": round(measured, 2),
                "vs_magenta": round(measured / magenta, 2),
                "by_matrix_rate": round(measured / gflops / (magenta / MAGENTA_GFLOPS), 2),
            }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
