"""How likely a decoder's parameters make an image: Bernoulli, Gaussian and discretised logistic.

An image's values x are (B, C, H, W), made of its pixels, which are levels from 0 to 255; the parameters of their
distribution are (B, C * P, H, W) with P = `parameters_per_value`, parameter p of channel c being p * C + c.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from musevae.models.outputs import uniform

LEVELS = 256
WHITE = LEVELS - 1
LEAST_CHANCE = 0.01  # of white, and of black, before anything is learned
BROAD_LOG_SCALE = -1.5
LEAST_SCALE = 1 / LEVELS  # of a Gaussian, in parts of the range from black to white: a density has no upper bound
LOG_SCALES = (-7.0, 7.0)  # of a logistic: the least as in PixelCNN++ (Salimans et al. 2017), at most all but uniform


class Likelihood(ABC):
    """The distribution p(x|z) of an image's values, each independent of the others given z."""

    parameters_per_value: ClassVar[int]
    density: ClassVar[bool] = False  # whether p(x|z) is a density, not a probability

    @abstractmethod
    def values(self, pixels: Tensor, generator: Generator | None = None) -> Tensor:
        """The values x (B, C, H, W) float that pixels uint8 stand for, drawn where they are random."""

    @abstractmethod
    def expected(self, pixels: Tensor) -> Tensor:
        """The mean of `values`."""

    @abstractmethod
    def negative_log_likelihood(self, parameters: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) (B,) in nats, summed over all values."""

    @abstractmethod
    def mean(self, parameters: Tensor) -> Tensor:
        """The mean image (B, C, H, W), from 0, black, to 1, white."""

    @abstractmethod
    def parameters(self, mean: Tensor) -> Tensor:
        """Parameters (C * P, H, W) under which values have about this mean (C, H, W): where training may begin."""

    def bits_per_dim(self, nats: float, dims: int) -> float:
        """Bits for each of the `dims` values of an image whose code costs `nats`.

        Of a density, the bits of the pixels' levels that its noise-filled values bound (Theis et al. 2016, section
        3.1).
        """
        return nats / dims / math.log(2) + (math.log2(LEVELS) if self.density else 0.0)


class Bernoulli(Likelihood):
    """Black or white: a pixel stands for a draw that is white with the probability of its grey.

    A grey target under a Bernoulli would be no likelihood. In training each is drawn anew at each step (dynamic
    binarisation, Burda et al. 2016), on held-out images once, by a seed.
    """

    parameters_per_value = 1

    def values(self, pixels: Tensor, generator: Generator | None = None) -> Tensor:
        """Zeros and ones."""
        return (uniform(tuple(pixels.shape), pixels.device, generator) * WHITE < pixels).float()

    def expected(self, pixels: Tensor) -> Tensor:
        """Greys, from 0 to 1."""
        return pixels.float() / WHITE

    def negative_log_likelihood(self, parameters: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) (B,) for logits (B, C, H, W)."""
        return F.binary_cross_entropy_with_logits(parameters, x, reduction="none").flatten(1).sum(1)

    def mean(self, parameters: Tensor) -> Tensor:
        """The probabilities of white."""
        return parameters.sigmoid()

    def parameters(self, mean: Tensor) -> Tensor:
        """Logits, none of them without hope."""
        return mean.clamp(LEAST_CHANCE, 1 - LEAST_CHANCE).logit()


class LocationScale(Likelihood):
    """A mean and the logarithm of a scale for each value."""

    parameters_per_value = 2

    def mean(self, parameters: Tensor) -> Tensor:
        """The means, cut to 0..1."""
        return parameters.chunk(2, dim=1)[0].clamp(0, 1)

    def parameters(self, mean: Tensor) -> Tensor:
        """The means, and a scale that spans much of the range."""
        return torch.cat([mean, torch.full_like(mean, BROAD_LOG_SCALE)])


class Gaussian(LocationScale):
    """Real numbers in 0..1: a pixel's level with uniform noise that fills its step; parameters are mean and log sigma.

    Without the noise the density could grow without end on the few levels that there are (Theis et al. 2016).
    """

    density = True

    def values(self, pixels: Tensor, generator: Generator | None = None) -> Tensor:
        """Levels and noise."""
        return (pixels + uniform(tuple(pixels.shape), pixels.device, generator)) / LEVELS

    def expected(self, pixels: Tensor) -> Tensor:
        """The middles of the levels' steps."""
        return (pixels + 0.5) / LEVELS

    def negative_log_likelihood(self, parameters: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) (B,), of a density of the range 0..1."""
        mean, log_scale = parameters.chunk(2, dim=1)
        log_scale = log_scale.clamp(min=math.log(LEAST_SCALE))
        squares = (x - mean).square() * (-2 * log_scale).exp()
        return (0.5 * (squares + math.log(2 * math.pi)) + log_scale).flatten(1).sum(1)


class DiscretisedLogistic(LocationScale):
    """One of 256 levels, with the mass of a logistic distribution within its step (Salimans et al. 2017, section 2.1).

    Values are level / 255; black has all that lies below, white all above. Parameters are mean and log scale.
    """

    def values(self, pixels: Tensor, generator: Generator | None = None) -> Tensor:
        """Levels."""
        return self.expected(pixels)

    def expected(self, pixels: Tensor) -> Tensor:
        """Levels, which are not random."""
        return pixels.float() / WHITE

    def negative_log_likelihood(self, parameters: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) (B,) of levels."""
        mean, log_scale = parameters.chunk(2, dim=1)
        per_scale = (-log_scale.clamp(*LOG_SCALES)).exp()
        upper = (x - mean + 0.5 / WHITE) * per_scale
        lower = (x - mean - 0.5 / WHITE) * per_scale
        # sigmoid(upper) - sigmoid(lower) = sigmoid(upper) sigmoid(-lower) (1 - e^(lower - upper)): nothing cancels
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-per_scale / WHITE))
        log_mass = torch.where(x <= 0, F.logsigmoid(upper), torch.where(x >= 1, F.logsigmoid(-lower), inside))
        return -log_mass.flatten(1).sum(1)


LIKELIHOODS: dict[str, Likelihood] = {
    "bernoulli": Bernoulli(),
    "gaussian": Gaussian(),
    "logistic": DiscretisedLogistic(),
}
