"""How many CPU threads to use: as many as the work is worth and the machine has to spare.

Two threads that share one core wait for each other at the end of every product, so one too many costs far more than
one too few.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from musevae.config import AnyConfig
from musevae.vaes import build

FLOPS_A_THREAD = 1e8  # of a batch, forward, in what runs one after the other: one thread does that in 2 ms
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's share: microseconds of CPU time, and in how many


def threads(parameters: int, batch: int) -> int:
    """The number for a model of so many parameters and batches of so many examples; at least 1.

    As if at each step in time, or for an image at once, each weight were used once for each example, in a product and a
    sum: those of a conductor are used less often, those of a convolution more.
    """
    worth = int(2 * parameters * batch / FLOPS_A_THREAD)
    return max(1, min(worth, cores() - busy()))


def parameters(config: AnyConfig) -> int:
    """How many a model has that is yet to be built."""
    with torch.device("meta"):
        return build(config).num_parameters


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
