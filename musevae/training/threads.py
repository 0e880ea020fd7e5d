"""How many CPU threads to use: as many as the work is worth and the machine has to spare.

Two threads that share one core wait for each other at the end of every product, so one too many costs far more than
one too few.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from musevae.config import AnyConfig, Config
from musevae.presets import window_steps
from musevae.training.cost import cost
from musevae.vaes import build

FLOPS_A_THREAD = 1e8  # of a batch, forward, in what runs one after the other: one thread does that in 2 ms
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's share: microseconds of CPU time, and in how many


def threads(config: AnyConfig, batch: int) -> int:
    """The number for batches of so many examples; at least 1."""
    worth = int(flops(config) * batch / FLOPS_A_THREAD)
    return max(1, min(worth, cores() - busy()))


def flops(config: AnyConfig) -> float:
    """Arithmetic of an example at a step in time, forward; of an image at once, at least, each weight being used."""
    if isinstance(config, Config):
        return cost(config).flops["forward"] / window_steps(config.representation)
    with torch.device("meta"):
        return 2 * build(config).num_parameters


def cores() -> int:
    """The cores that this process may use: those it is bound to, or fewer where a container has a smaller share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = QUOTA.read_text(encoding="ascii").split()
        return max(1, min(bound, round(int(share) / int(period))))
    except (OSError, ValueError):  # none of Linux's containers, or "max": no limit
        return bound


def busy() -> int:
    """How many of these cores were kept busy by others in the last minute, as the whole machine's load tells."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return round(min(1.0, load / (os.cpu_count() or 1)) * cores())
