import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

torch.set_num_threads(1)

Fill = Callable[[nn.Module], None]
CheckGradient = Callable[[nn.Module, Callable[[], Tensor]], None]


@pytest.fixture(scope="session")
def fill() -> Fill:
    """Gives a module fixed weights that do not depend on any random number generator."""

    def fill_with_waves(module: nn.Module) -> None:
        for k, parameter in enumerate(p for p in module.parameters() if p.requires_grad):
            wave = torch.arange(parameter.numel(), dtype=torch.float64).mul(0.7).add(k).sin() / math.sqrt(2)
            parameter.data.copy_(wave.view_as(parameter))

    return fill_with_waves


@pytest.fixture(scope="session")
def check_gradient() -> CheckGradient:
    """Compares a loss's slope along a random direction of a module's weights, float64, with finite differences."""

    def check(module: nn.Module, loss: Callable[[], Tensor]) -> None:
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        draw, step = torch.Generator().manual_seed(1), 1e-5
        direction = [torch.randn(parameter.shape, generator=draw, dtype=torch.float64) for parameter in trained]

        @torch.no_grad()
        def move(distance: float) -> float:
            for parameter, along in zip(trained, direction, strict=True):
                parameter.add_(along, alpha=distance)
            return float(loss())

        gradients = torch.autograd.grad(loss(), trained)
        slope = sum(float((gradient * along).sum()) for gradient, along in zip(gradients, direction, strict=True))
        ahead, behind = move(step), move(-2 * step)
        assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)

    return check
