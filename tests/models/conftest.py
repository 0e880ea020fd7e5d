import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

torch.set_num_threads(1)

Fill = Callable[[nn.Module], None]


@pytest.fixture(scope="session")
def fill() -> Fill:
    """Gives a module fixed weights that do not depend on any random number generator."""

    def fill_with_waves(module: nn.Module) -> None:
        for k, parameter in enumerate(p for p in module.parameters() if p.requires_grad):
            wave = torch.arange(parameter.numel(), dtype=torch.float64).mul(0.7).add(k).sin() / math.sqrt(2)
            parameter.data.copy_(wave.view_as(parameter))

    return fill_with_waves
