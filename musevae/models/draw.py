"""DRAW, a variational autoencoder that looks at an image and paints it in glimpses (Gregor et al. 2015).

The equations are those of arXiv:1502.04623; `shape` is (C, H, W), a canvas (B, C * parameters_per_value, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from musevae.models.attention import Attention
from musevae.models.elbo import Elbo
from musevae.models.encoders import PosteriorHead
from musevae.models.gaussian import DiagonalGaussian
from musevae.models.likelihoods import Likelihood
from musevae.models.lstm import FORGET_BIAS, glorot_linear
from musevae.models.vae import Vae, check_shape, elbo, refuse_decoding, rows

Shape: TypeAlias = "tuple[int, int, int]"
State: TypeAlias = "tuple[Tensor, Tensor]"  # (B, H) each: h and c of an LSTM
Read: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"  # the canvas's mean image, the decoder's h -> gates (B, 4H)


class WholeReader(nn.Module):
    """All of the image x and of its error x - mean (equation 17), as what they add to the encoder's gates.

    As W x + V (x - mean) is (W + V) x - V mean, the first product is taken once for all glimpses, which spares a fifth
    of a training step.
    """

    def __init__(self, shape: Shape, gates: int) -> None:
        super().__init__()
        self.image = glorot_linear(math.prod(shape), gates, bias=False)
        self.error = glorot_linear(math.prod(shape), gates, bias=False)

    def forward(self, x: Tensor) -> Read:
        """How images x (B, C, H, W) are read."""
        constant = F.linear(x.flatten(1), self.image.weight + self.error.weight)
        return lambda mean, hidden: constant - self.error(mean.flatten(1))


class AttentiveReader(nn.Module):
    """The patches of the image and of its error that the decoder attends to (equation 27), as of `WholeReader`."""

    def __init__(self, shape: Shape, gates: int, hidden_size: int, size: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.attention = Attention(hidden_size, size, height, width)
        self.patches = glorot_linear(2 * channels * size**2, gates, bias=False)

    def forward(self, x: Tensor) -> Read:
        """How images x (B, C, H, W) are read."""

        def read(mean: Tensor, hidden: Tensor) -> Tensor:
            patches = self.attention(hidden).read(torch.cat([x, x - mean], dim=1))
            gates: Tensor = self.patches(patches.flatten(1))
            return gates

        return read


class WholeWriter(nn.Module):
    """A stroke over the whole canvas (equation 18)."""

    def __init__(self, shape: Shape, hidden_size: int) -> None:
        super().__init__()
        self.shape = shape
        self.stroke = glorot_linear(hidden_size, math.prod(shape))

    def forward(self, hidden: Tensor) -> Tensor:
        """The stroke, shaped as the canvas, of the decoder's h (B, H)."""
        stroke: Tensor = self.stroke(hidden)
        return stroke.view(-1, *self.shape)


class AttentiveWriter(nn.Module):
    """A patch, put on the canvas where the decoder attends to (equations 28 and 29)."""

    def __init__(self, shape: Shape, hidden_size: int, size: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.patch_shape = (channels, size, size)
        self.attention = Attention(hidden_size, size, height, width)
        self.patch = glorot_linear(hidden_size, math.prod(self.patch_shape))

    def forward(self, hidden: Tensor) -> Tensor:
        """The stroke, shaped as the canvas, of the decoder's h (B, H)."""
        stroke: Tensor = self.attention(hidden).write(self.patch(hidden).view(-1, *self.patch_shape))
        return stroke


class Cell(nn.Module):
    """One step of an LSTM that begins in a learned state; the gates are in the order i f g o."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.gates = glorot_linear(input_size + hidden_size, 4 * hidden_size)
        nn.init.constant_(self.gates.bias[hidden_size : 2 * hidden_size], FORGET_BIAS)
        self.start = nn.Parameter(torch.zeros(2, hidden_size))

    def first(self, batch: int) -> State:
        """The state before the first step."""
        h, c = self.start.unsqueeze(1).expand(-1, batch, -1)
        return h, c

    def forward(self, x: Tensor, state: State, extra: Tensor | float = 0.0) -> State:
        """The state after inputs x (B, D), to whose gates `extra` (B, 4H) is added."""
        h, c = state
        i, f, g, o = (self.gates(torch.cat([x, h], dim=-1)) + extra).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


@dataclass(frozen=True, eq=False)
class Drawing:
    """What came of following images through all glimpses."""

    posterior: DiagonalGaussian  # (B, T * Z): q(z_t | x, z_<t) of each glimpse t, at these very z
    z: Tensor  # (B, T * Z)
    canvas: Tensor  # after the last glimpse


class Draw(Vae):
    """Encoder and decoder LSTMs that take turns for `glimpses` steps T, each with latents of its own.

    Every z is (B, T * Z): `z_size` Z of each glimpse, one glimpse after another; the prior of all is N(0, I). Images x
    are float (B, C, H, W), as the likelihood wants them. With `attention`, the sizes N of the grids that read and
    write, each glimpse sees and paints a patch of N x N, else the whole image. There is no condition.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        likelihood: Likelihood,
        glimpses: int,
        z_size: int,
        hidden_size: int,
        attention: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.likelihood, self.glimpses = shape, likelihood, glimpses
        self.z_size = glimpses * z_size
        canvas, gates = (shape[0] * likelihood.parameters_per_value, *shape[1:]), 4 * hidden_size
        self.reader: WholeReader | AttentiveReader = WholeReader(shape, gates)
        self.writer: WholeWriter | AttentiveWriter = WholeWriter(canvas, hidden_size)
        if attention is not None:
            self.reader = AttentiveReader(shape, gates, hidden_size, attention[0])
            self.writer = AttentiveWriter(canvas, hidden_size, attention[1])
        self.encoder, self.decoder = Cell(hidden_size, hidden_size), Cell(z_size, hidden_size)
        self.head = PosteriorHead(hidden_size, z_size)
        nn.init.xavier_uniform_(self.head.mu.weight)
        self.blank = nn.Parameter(torch.zeros(1, *canvas))

    def begin_at(self, mean: Tensor) -> None:
        """Let an untrained model paint on the mean image (C, H, W)."""
        self.blank.data.copy_(self.likelihood.parameters(mean))

    def forward(
        self,
        x: Tensor,
        condition: Tensor | None = None,
        generator: Generator | None = None,
        samples: int = 1,
        resampled: int = 0,
        **decoding: float,
    ) -> Elbo:
        """As `Vae.forward`, on the canvas that is there once z is drawn, so that nothing is painted twice."""
        refuse(condition, decoding)
        if resampled:
            raise ValueError("DRAW infers and paints at once, each draw anew: its draws cannot be resampled")
        x = rows(self._check_images(x), samples)
        drawing = self._follow(x, lambda posterior: posterior.sample(generator))
        nll = self.likelihood.negative_log_likelihood(drawing.canvas, x)
        return elbo(drawing.posterior, drawing.z, nll, samples)

    def infer(
        self, x: Tensor, condition: Tensor | None = None, generator: Generator | None = None, samples: int = 1
    ) -> tuple[DiagonalGaussian, Tensor]:
        """q(z|x) of images x, each `samples` times, and a draw of each.

        Its later glimpses are conditional on the earlier ones' draws: its density is that of these z alone.
        """
        refuse(condition)
        drawing = self._follow(rows(self._check_images(x), samples), lambda posterior: posterior.sample(generator))
        return drawing.posterior, drawing.z

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> DiagonalGaussian:
        """q(z|x) (B, T * Z) of images x where every glimpse follows the means of those before it."""
        refuse(condition)
        return self._follow(self._check_images(x), lambda posterior: posterior.mu).posterior

    def negative_log_likelihood(
        self,
        x: Tensor,
        z: Tensor,
        condition: Tensor | None = None,
        generator: Generator | None = None,
        **decoding: float,
    ) -> Tensor:
        """-log p(x|z) (B,) in nats of images x."""
        refuse(condition, decoding)
        *_, canvas = self._paint(z)
        return self.likelihood.negative_log_likelihood(canvas, self._check_images(x))

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Mean images (B, C, H, W), from 0, black, to 1, white, for z (B, T * Z), without gradients."""
        refuse(condition)
        return self.canvases(z)[:, -1]

    def canvases(self, z: Tensor) -> Tensor:
        """Mean images (B, T, C, H, W) after each glimpse, the last being those of `decode`, without gradients."""
        with torch.no_grad():
            return torch.stack([self.likelihood.mean(canvas) for canvas in self._paint(z)], dim=1)

    def _follow(self, x: Tensor, choose: Callable[[DiagonalGaussian], Tensor]) -> Drawing:
        """Equations 3 to 8 for images x, z_t being chosen from q(z_t | x, z_<t)."""
        read = self.reader(x)
        encoder, decoder = self.encoder.first(len(x)), self.decoder.first(len(x))
        canvas: Tensor = self.blank
        posteriors: list[DiagonalGaussian] = []
        zs: list[Tensor] = []
        for _ in range(self.glimpses):
            h = decoder[0]
            encoder = self.encoder(h, encoder, read(self.likelihood.mean(canvas), h))
            posteriors.append(self.head(encoder[0]))
            zs.append(choose(posteriors[-1]))
            decoder, canvas = self._glimpse(zs[-1], decoder, canvas)
        mu, sigma = (torch.cat([getattr(of, name) for of in posteriors], dim=1) for name in ("mu", "sigma"))
        return Drawing(DiagonalGaussian(mu, sigma), torch.cat(zs, dim=1), canvas)

    def _paint(self, z: Tensor) -> Iterator[Tensor]:
        """The canvas after each glimpse, of z alone."""
        check_shape("z", z, (None, self.z_size))
        decoder = self.decoder.first(len(z))
        canvas: Tensor = self.blank
        for of_glimpse in z.chunk(self.glimpses, dim=1):
            decoder, canvas = self._glimpse(of_glimpse, decoder, canvas)
            yield canvas

    def _glimpse(self, z: Tensor, decoder: State, canvas: Tensor) -> tuple[State, Tensor]:
        """The decoder's state and the canvas after one more glimpse, of latents z (B, Z) (equations 7 and 8)."""
        decoder = self.decoder(z, decoder)
        return decoder, canvas + self.writer(decoder[0])

    def _check_images(self, x: Tensor) -> Tensor:
        check_shape("x", x, (None, *self.shape))
        return x


def refuse(condition: Tensor | None, decoding: Mapping[str, float] | None = None) -> None:
    """ValueError where there is a condition, or anything that changes how z is decoded."""
    if condition is not None:
        raise ValueError("a condition is given, but DRAW has none: choose another model for labelled images")
    refuse_decoding(decoding or {})
