"""When a step is left out or a run given up: a loss or a gradient that is no number, or beyond all measure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

EXPLODED_NATS = 1e6  # no model here begins above 1e4
SKIPS_IN_A_ROW = 100  # steps that are left out because their gradient is beyond train.skip_norm
SHOWN = 16  # windows in the message; the log has all


class DivergedError(RuntimeError):
    """The loss is no longer a number, or beyond all measure."""


def verdict(loss: float, norm: float, skipped_in_a_row: int) -> str | None:
    """What is wrong with a step's loss (nats) and gradient norm, None where nothing is."""
    if not math.isfinite(norm):
        return "the gradient is not finite"
    if not abs(loss) < EXPLODED_NATS:
        return f"the loss is beyond {EXPLODED_NATS:.0e} nats"
    if skipped_in_a_row >= SKIPS_IN_A_ROW:
        return f"{SKIPS_IN_A_ROW} steps in a row were skipped, their gradients beyond train.skip_norm,"
    return None


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a step."""

    what: str
    step: int
    loss: float  # nats


class Watch:
    """Watches losses and gradient norms, which stay on their device until they are looked at, some steps later maybe.

    A step with a gradient norm of at least `skip_norm`, or none that is a number, is to be left out.
    """

    def __init__(self, skip_norm: float) -> None:
        self.skip_norm = skip_norm
        self.skipped = 0  # of the steps that were looked at
        self._in_a_row = 0
        self._unseen: list[tuple[int, Tensor]] = []  # steps, and their loss and norm (2,)

    def add(self, step: int, loss: Tensor, norm: Tensor) -> Tensor:
        """Remember a step; whether it is to be left out, () float32 on its device: 1 or 0."""
        self._unseen.append((step, torch.stack([loss.detach().to(norm.dtype), norm.detach()])))
        return (norm.detach() < self.skip_norm).logical_not().float()

    def look(self) -> Wrong | None:
        """Look at the steps since the last look, which waits for their device; what is wrong with the first such."""
        unseen, self._unseen = self._unseen, []
        figures = torch.stack([pair for _, pair in unseen]).tolist() if unseen else []
        for (step, _), (loss, norm) in zip(unseen, figures, strict=True):
            skip = norm >= self.skip_norm
            self._in_a_row = self._in_a_row + 1 if skip else 0
            if what := verdict(loss, norm, self._in_a_row):
                return Wrong(what, step, loss)
            self.skipped += skip
        return None


def shown(windows: Sequence[int]) -> str:
    """The first of a batch's windows, and how many more the log has."""
    more = f" and {len(windows) - SHOWN} more, all in the log" if len(windows) > SHOWN else ""
    return ", ".join(map(str, windows[:SHOWN])) + more
