import math

import pytest
import torch
from torch import Tensor

from musevae.models.attention import Attention, FilterGrid, filter_bank, filter_grid


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def number(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def images() -> Tensor:
    return torch.randn(2, 3, 6, 7, generator=seed(0), dtype=torch.float64)


def random_grid() -> FilterGrid:
    return filter_grid(torch.randn(2, 5, generator=seed(1), dtype=torch.float64), 4, 6, 7)


def test_filters_are_normalised_gaussians() -> None:
    """Equations 19 and 25, one number at a time."""
    centre, stride, variance = 2.3, 1.7, 0.8
    found = filter_bank(number(centre), number(stride), number(variance), 3, 5)
    for i, filter_of_i in enumerate(found[0].tolist(), start=1):
        mean = centre + (i - 3 / 2 - 0.5) * stride
        weights = [math.exp(-((a - mean) ** 2) / (2 * variance)) for a in range(1, 6)]
        assert filter_of_i == pytest.approx([weight / sum(weights) for weight in weights])


def test_narrow_filters_a_pixel_apart_read_the_pixels_themselves() -> None:
    """Nine filters around the pixel in row 3 and column 4, counted from 1."""
    x, one, narrow = images(), torch.ones(2, dtype=torch.float64), torch.full((2,), 1e-3, dtype=torch.float64)
    grid = FilterGrid(filter_bank(3 * one, one, narrow, 3, 6), filter_bank(4 * one, one, narrow, 3, 7), 2 * one)
    torch.testing.assert_close(grid.read(x), 2 * x[:, :, 1:4, 2:5])
    written = grid.write(x[:, :, 1:4, 2:5])
    torch.testing.assert_close(written[:, :, 1:4, 2:5], x[:, :, 1:4, 2:5] / 2)
    written[:, :, 1:4, 2:5] = 0
    torch.testing.assert_close(written, torch.zeros_like(x))


def test_parameters_of_zero_spread_the_grid_over_the_longer_side() -> None:
    grid = filter_grid(torch.zeros(1, 5, dtype=torch.float64), 3, 5, 9)
    torch.testing.assert_close(grid.horizontal, filter_bank(number(5), number(4), number(1), 3, 9))  # means 1, 5, 9
    torch.testing.assert_close(grid.vertical, filter_bank(number(3), number(4), number(1), 3, 5))  # means -1, 3, 7


@pytest.mark.parametrize(
    ("parameter", "centre", "stride", "variance", "intensity"),
    [(0, 7.5, 4, 1, 1), (2, 5, 4, 2, 1), (3, 5, 8, 1, 1), (4, 5, 4, 1, 2)],
    ids=["x", "variance", "stride", "intensity"],
)
def test_each_parameter_has_its_meaning(
    parameter: int, centre: float, stride: float, variance: float, intensity: float
) -> None:
    """A half moves the grid by a quarter of the image of 9 pixels; log 2 doubles."""
    parameters = torch.zeros(1, 5, dtype=torch.float64)
    parameters[0, parameter] = 0.5 if parameter == 0 else math.log(2)
    grid = filter_grid(parameters, 3, 5, 9)
    torch.testing.assert_close(grid.horizontal, filter_bank(number(centre), number(stride), number(variance), 3, 9))
    torch.testing.assert_close(grid.intensity, number(intensity))


def test_writing_is_the_adjoint_of_reading() -> None:
    """<F_Y x F_X^T, w> = <x, F_Y^T w F_X>, the intensity apart."""
    grid, x, w = random_grid(), images(), torch.randn(2, 3, 4, 4, generator=seed(2), dtype=torch.float64)
    read, written = (grid.read(x) * w).sum((1, 2, 3)), (x * grid.write(w)).sum((1, 2, 3))
    torch.testing.assert_close(read / grid.intensity, written * grid.intensity)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_filter_has_a_sum_of_one(size: int) -> None:
    grid = filter_grid(3 * torch.randn(64, 5, generator=seed(3)), size, 6, 7)
    for bank, pixels in ((grid.vertical, 6), (grid.horizontal, 7)):
        assert bank.shape == (64, size, pixels)
        torch.testing.assert_close(bank.sum(-1), torch.ones(64, size))


@pytest.mark.parametrize("parameter", range(5))
@pytest.mark.parametrize("value", [-1000.0, 1000.0])
def test_values_and_gradients_stay_finite_far_outside(parameter: int, value: float) -> None:
    parameters = torch.zeros(2, 5)
    parameters[:, parameter] = value
    parameters.requires_grad_()
    grid = filter_grid(parameters, 4, 6, 7)
    patches = grid.read(images().float())
    (patches.square().sum() + grid.write(patches).square().sum()).backward()
    assert parameters.grad is not None
    assert patches.isfinite().all()
    assert parameters.grad.isfinite().all()


def test_gradients_match_finite_differences() -> None:
    def read_and_write(parameters: Tensor, x: Tensor) -> Tensor:
        grid = filter_grid(parameters, 4, 6, 7)
        return grid.write(grid.read(x) ** 2)

    parameters, x = torch.randn(1, 5, generator=seed(1), dtype=torch.float64), images()[:1, :1]
    assert torch.autograd.gradcheck(read_and_write, (parameters.requires_grad_(), x.requires_grad_()))


def test_grid_keeps_full_precision_under_autocast() -> None:
    attention, hidden = Attention(8, 3, 28, 28), torch.randn(2, 8, generator=seed(4))
    expected = attention(hidden)
    with torch.autocast("cpu", torch.bfloat16):
        found = attention(hidden)
    assert torch.equal(found.horizontal, expected.horizontal)
