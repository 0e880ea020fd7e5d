"""When a run is given up: a loss or a gradient that is no number, or far beyond what any model here begins with."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def shown(windows: Sequence[int]) -> str:
    """The first of a batch's windows, and how many more the log has."""
    more = f" and {len(windows) - SHOWN} more, all in the log" if len(windows) > SHOWN else ""
    return ", ".join(map(str, windows[:SHOWN])) + more
