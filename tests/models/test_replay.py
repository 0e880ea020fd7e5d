"""Where there is no GPU, a step is itself; tests/test_gpu.py has the rest."""

from __future__ import annotations

import torch

from musevae.models.replay import recorded


def test_step_on_a_cpu_is_itself_and_not_called() -> None:
    calls: list[int] = []

    def step() -> torch.Tensor:
        calls.append(1)
        return torch.zeros(1)

    assert recorded(step, torch.device("cpu"), torch.Generator()) is step
    assert not calls
