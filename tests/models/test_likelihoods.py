import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from musevae.models.likelihoods import LEVELS, LIKELIHOODS, WHITE, Likelihood

BERNOULLI, GAUSSIAN, LOGISTIC = (LIKELIHOODS[name] for name in ("bernoulli", "gaussian", "logistic"))
ALL = pytest.mark.parametrize("likelihood", [BERNOULLI, GAUSSIAN, LOGISTIC])


def pixel(*parameters: float) -> Tensor:
    """The parameters of an image of one pixel, in 64 bits."""
    return torch.tensor(parameters, dtype=torch.float64).view(1, -1, 1, 1)


def images(values: Tensor) -> Tensor:
    """Images of one pixel each."""
    return values.double().view(-1, 1, 1, 1)


@pytest.mark.parametrize("logit", [-30.0, -1.0, 0.0, 2.5, 40.0])
def test_bernoulli_sums_to_one(logit: float) -> None:
    x = images(torch.arange(2))
    nll = BERNOULLI.negative_log_likelihood(pixel(logit).expand(2, -1, -1, -1), x)
    assert float((-nll).exp().sum()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("log_scale", [-9.0, -7.0, -4.0, -1.0, 1.0])
def test_discretised_logistic_sums_to_one(mean: float, log_scale: float) -> None:
    x = images(torch.arange(LEVELS, dtype=torch.float64) / WHITE)
    nll = LOGISTIC.negative_log_likelihood(pixel(mean, log_scale).expand(LEVELS, -1, -1, -1), x)
    assert float((-nll).exp().sum()) == pytest.approx(1, abs=1e-9)


def test_discretised_logistic_is_the_difference_of_two_sigmoids() -> None:
    level, mean, scale = 100, 0.4, 0.05
    upper, lower = ((torch.tensor((level + half) / WHITE - mean) / scale).sigmoid() for half in (0.5, -0.5))
    nll = LOGISTIC.negative_log_likelihood(pixel(mean, math.log(scale)), images(torch.tensor(level / WHITE)))
    assert float(nll) == pytest.approx(-math.log(float(upper - lower)), rel=1e-4)


def test_gaussian_is_torchs() -> None:
    nll = GAUSSIAN.negative_log_likelihood(pixel(0.2, -1.5), images(torch.tensor(0.7)))
    assert float(nll) == pytest.approx(-float(Normal(0.2, math.exp(-1.5)).log_prob(torch.tensor(0.7))), rel=1e-6)


def test_gaussian_is_never_narrower_than_a_level() -> None:
    """Else a pixel that is always black would make the density, and so the ELBO, as large as one likes."""
    narrowest = pixel(0.5, -math.log(LEVELS))
    x = images(torch.tensor(0.5))
    assert torch.equal(
        GAUSSIAN.negative_log_likelihood(pixel(0.5, -50.0), x), GAUSSIAN.negative_log_likelihood(narrowest, x)
    )


def test_a_grey_pixel_is_white_as_often_as_it_is_bright() -> None:
    pixels = torch.tensor([0, 51, 204, 255], dtype=torch.uint8).view(4, 1, 1, 1).expand(-1, 1, 100, 100)
    values = BERNOULLI.values(pixels, torch.Generator().manual_seed(0))
    assert set(values.unique().tolist()) == {0.0, 1.0}
    assert values.mean((1, 2, 3)).tolist() == pytest.approx([0, 0.2, 0.8, 1], abs=0.02)


def test_noise_fills_a_gaussians_levels_and_stays_within_them() -> None:
    pixels = torch.arange(LEVELS, dtype=torch.uint8).view(-1, 1, 1, 1)
    values = GAUSSIAN.values(pixels, torch.Generator().manual_seed(0))
    assert torch.equal((values * LEVELS).floor().to(torch.uint8), pixels)


@ALL
def test_values_are_expected_on_average_and_depend_on_the_generator_alone(likelihood: Likelihood) -> None:
    pixels = torch.full((1, 1, 200, 200), 90, dtype=torch.uint8)
    one, same = (likelihood.values(pixels, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, same)
    assert float(one.mean()) == pytest.approx(float(likelihood.expected(pixels).mean()), abs=0.01)


@ALL
def test_gradients_are_finite_however_wrong_the_parameters(likelihood: Likelihood) -> None:
    extremes = torch.tensor([-1e3, -20.0, 0.0, 20.0, 1e3])
    parameters = extremes.view(-1, 1, 1, 1).repeat(1, likelihood.parameters_per_value, 1, 1).requires_grad_()
    likelihood.negative_log_likelihood(parameters, torch.ones(5, 1, 1, 1)).sum().backward()
    assert parameters.grad is not None
    assert parameters.grad.isfinite().all()


@ALL
def test_means_lie_between_black_and_white(likelihood: Likelihood) -> None:
    parameters = torch.linspace(-3, 3, 8).view(2, 4, 1, 1)[:, : 3 * likelihood.parameters_per_value]
    assert ((mean := likelihood.mean(parameters)) >= 0).all()
    assert (mean <= 1).all()


def test_bits_of_a_density_are_those_of_its_levels() -> None:
    """A uniform density of 0 nats says nothing of 256 levels: 8 bits each."""
    assert GAUSSIAN.bits_per_dim(0.0, 10) == 8
    assert BERNOULLI.bits_per_dim(10 * math.log(2), 10) == pytest.approx(1)
