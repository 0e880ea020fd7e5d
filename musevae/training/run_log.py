"""What a run says of itself: one JSON line per log step, and TensorBoard events where the extra is installed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from musevae.files import replaced

LOG = "log.jsonl"


class Averages:
    """Running sums of figures that stay on the device until they are asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, figures: Mapping[str, Tensor]) -> None:
        """Add one step's figures."""
        self.sums = {name: self.sums[name] + value if self.sums else value for name, value in figures.items()}
        self.count += 1

    def means(self) -> dict[str, float]:
        """The mean of each."""
        return {name: float(value) / self.count for name, value in self.sums.items()}


class RunLog:
    """The log of a run folder; lines have a `kind`, a `step` and figures."""

    def __init__(self, run: Path) -> None:
        self.path = run / LOG
        self.board: Any = None

    def open(self) -> None:
        """Make the folder, and begin TensorBoard's file where the extra is installed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.board = tensorboard(self.path.parent)

    def write(self, figures: Mapping[str, Any]) -> None:
        """Add a line."""
        for name, value in figures.items() if self.board else ():
            if name not in ("kind", "step") and isinstance(value, float | int):
                self.board.add_scalar(f"{figures['kind']}/{name}", value, figures["step"])
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")

    def rewind(self, step: int) -> None:
        """Drop the lines of steps that a killed run took after its last checkpoint: they are taken again."""
        if self.path.exists():
            lines = self.path.read_bytes().splitlines(keepends=True)
            with replaced(self.path) as file:
                file.writelines(line for line in lines if _step(line) <= step)

    def close(self) -> None:
        """End TensorBoard's file."""
        if self.board:
            self.board.close()


def _step(line: bytes) -> float:
    """The step of a line, infinite where the line is not whole."""
    try:
        return int(json.loads(line)["step"]) if line.endswith(b"\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf


def tensorboard(run: Path) -> Any:  # noqa: ANN401 - a SummaryWriter
    """A writer of TensorBoard events into the run folder, None where the extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # an extra, and slow to import
    except ImportError:
        return None
    return SummaryWriter(str(run))
