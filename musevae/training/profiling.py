"""Where the time of some training steps goes: a trace for chrome://tracing or Perfetto, and a table."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

TRACE = "trace.json"
WARM_UP = 3  # steps before
STEPS = 5  # steps measured
ROWS = 15  # of the table


class Profiler(profile):
    """Watches steps; the trace is in the run folder, and the table here, once STEPS of them are measured."""

    def __init__(self, run: Path, device: torch.device, steps: int) -> None:
        if steps < WARM_UP + STEPS:
            raise ValueError(
                f"a profile takes {WARM_UP + STEPS} steps, of which {WARM_UP} to warm up, and the run has {steps} to "
                f"go: choose more --steps"
            )
        self.path, self.table, self.sort_by = run / TRACE, "", f"self_{device.type}_time_total"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        plan = schedule(wait=WARM_UP - 1, warmup=1, active=STEPS, repeat=1)
        super().__init__(activities=activities, schedule=plan, on_trace_ready=self._write)

    def _write(self, measured: profile) -> None:
        measured.export_chrome_trace(str(self.path))
        self.table = measured.key_averages().table(sort_by=self.sort_by, row_limit=ROWS)
