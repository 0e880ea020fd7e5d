"""DRAW's selective attention: a grid of Gaussian filters that reads and writes a patch of an image.

Gregor et al. 2015 (arXiv:1502.04623), sections 3.2 and 3.3; the grid's place, stride, blur and gain are differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from musevae.models.lstm import glorot_linear

LOG_LIMIT = 10.0  # of log variance, log stride and log intensity: no exponential is 0 or infinite


@dataclass(frozen=True, eq=False)
class FilterGrid:
    """N x N Gaussian filters over images of H x W pixels, one grid for each of B images."""

    vertical: Tensor  # F_Y (B, N, H), every row of sum 1
    horizontal: Tensor  # F_X (B, N, W), every row of sum 1
    intensity: Tensor  # gamma (B,)

    def read(self, images: Tensor) -> Tensor:
        """Patches gamma F_Y x F_X^T (B, C, N, N) of images x (B, C, H, W) (equation 27)."""
        patches = torch.einsum("bnh,bchw,bmw->bcnm", self.vertical, images, self.horizontal)
        return patches * self.intensity.view(-1, 1, 1, 1)

    def write(self, patches: Tensor) -> Tensor:
        """Images F_Y^T w F_X / gamma (B, C, H, W) of patches w (B, C, N, N) (equation 29)."""
        patches = patches / self.intensity.view(-1, 1, 1, 1)
        return torch.einsum("bnh,bcnm,bmw->bchw", self.vertical, patches, self.horizontal)


def filter_bank(centre: Tensor, stride: Tensor, variance: Tensor, size: int, pixels: int) -> Tensor:
    """Gaussian filters (B, N, A) along one axis of A pixels, counted from 1 (equations 19, 20, 25 and 26).

    `centre` of the N means, `stride` between them and `variance` of each filter are (B,), in pixels. A softmax is the
    equations' normalisation, also where a filter lies so far outside that its exponentials are all 0.
    """
    i = torch.arange(1, size + 1, dtype=centre.dtype, device=centre.device)
    a = torch.arange(1, pixels + 1, dtype=centre.dtype, device=centre.device)
    means = centre.unsqueeze(1) + (i - size / 2 - 0.5) * stride.unsqueeze(1)  # (B, N)
    squares = (a - means.unsqueeze(2)).square()  # (B, N, A)
    return (squares / (-2 * variance.view(-1, 1, 1))).softmax(-1)


def filter_grid(parameters: Tensor, size: int, height: int, width: int) -> FilterGrid:
    """The grid of parameters (B, 5): g_X, g_Y, log sigma^2, log delta and log gamma (equations 21 to 24).

    At zeros its filters, of variance 1, are spread over the longer side of the image.
    """
    x, y, *logarithms = parameters.unbind(-1)
    variance, stride, intensity = (log.clamp(-LOG_LIMIT, LOG_LIMIT).exp() for log in logarithms)
    stride = (max(height, width) - 1) / max(size - 1, 1) * stride
    vertical = filter_bank((height + 1) / 2 * (y + 1), stride, variance, size, height)
    horizontal = filter_bank((width + 1) / 2 * (x + 1), stride, variance, size, width)
    return FilterGrid(vertical, horizontal, intensity)


class Attention(nn.Module):
    """The grid of `size` x `size` filters that a hidden state asks for (equation 21)."""

    def __init__(self, hidden_size: int, size: int, height: int, width: int) -> None:
        super().__init__()
        self.size, self.height, self.width = size, height, width
        self.parameters_of_grid = glorot_linear(hidden_size, 5)

    def forward(self, hidden: Tensor) -> FilterGrid:
        """The grid for a hidden state (B, H); in full precision even under autocast, whose pixels would be coarse."""
        with torch.autocast(hidden.device.type, enabled=False):
            parameters = self.parameters_of_grid(hidden.to(self.parameters_of_grid.weight.dtype))
            return filter_grid(parameters, self.size, self.height, self.width)
