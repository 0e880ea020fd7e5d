"""Variational autoencoders of images, conditional or not, and the plain autoencoder (Kingma & Welling 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from musevae.models.encoders import PosteriorHead
from musevae.models.gaussian import Point, Posterior
from musevae.models.image_nets import conv_decoder, conv_encoder, features, mlp
from musevae.models.likelihoods import Likelihood
from musevae.models.lstm import glorot_linear
from musevae.models.vae import Vae, check_shape, refuse_decoding


class ImageVAE(Vae):
    """Encoder, posterior and decoder of images of `shape` (C, H, W), as networks of one kind.

    Images x are the values (B, C, H, W) of `likelihood`. A condition is a label (B,) int64 below `labels`, required
    where `labels` > 0 (Sohn et al. 2015, with the prior N(0, I)). `sizes` are the hidden layers of an "mlp", or the
    channels of the levels of a "conv", between which and z lies a hidden layer of `hidden_size`; the decoder has them
    the other way round. Without `noise` it is the plain autoencoder: z is the code itself.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int, int],
        likelihood: Likelihood,
        z_size: int,
        network: Literal["mlp", "conv"] = "mlp",
        sizes: Sequence[int] = (400,),
        blocks: int = 0,
        hidden_size: int = 256,
        activation: str = "relu",
        labels: int = 0,
        noise: bool = True,
    ) -> None:
        super().__init__()
        self.shape, self.likelihood, self.z_size, self.labels, self.noise = shape, likelihood, z_size, labels, noise
        outputs = likelihood.parameters_per_value * shape[0]
        if network == "mlp":
            self.features: nn.Module = nn.Flatten()
            self.encoder = mlp(math.prod(shape) + labels, sizes, activation)
            self.decoder = mlp(z_size + labels, sizes[::-1], activation)
            self.image = nn.Sequential(glorot_linear(sizes[0], outputs * shape[1] * shape[2]))
        else:
            inner = features(shape, sizes)
            self.features = conv_encoder(shape, sizes, blocks, activation)
            self.encoder = mlp(inner + labels, [hidden_size], activation)
            self.decoder = nn.Sequential(mlp(z_size + labels, [hidden_size], activation), nn.Linear(hidden_size, inner))
            self.image = conv_decoder(shape, sizes, blocks, activation, outputs)
        self.head = PosteriorHead(sizes[-1] if network == "mlp" else hidden_size, z_size)
        for linear in (self.head.mu, self.head.sigma):
            nn.init.xavier_uniform_(linear.weight)
        self.head.sigma.requires_grad_(noise)

    def begin_at(self, mean: Tensor) -> None:
        """Let the untrained decoder make images that are about the mean one (C, H, W), whatever z."""
        last, parameters = self.image[-1], self.likelihood.parameters(mean)
        assert isinstance(last, nn.Linear | nn.ConvTranspose2d)
        assert last.bias is not None
        shared = last.bias.numel() < parameters.numel()  # by all places, as in a convolution
        last.bias.data.copy_(parameters.mean((1, 2)) if shared else parameters.flatten())

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Posterior:
        """q(z|x), (B, Z), of images x (B, C, H, W); an autoencoder's code."""
        check_shape("images", x, (None, *self.shape))
        found: Posterior = self.head(self.encoder(self._labelled(self.features(x), condition)))
        return found if self.noise else Point(found.mu)

    def infer(
        self, x: Tensor, condition: Tensor | None = None, generator: Generator | None = None, samples: int = 1
    ) -> tuple[Posterior, Tensor]:
        """q(z|x) of images x (B, C, H, W), each `samples` times, and a draw of each."""
        posterior = self.posterior(x, condition).repeated(samples)
        return posterior, posterior.sample(generator)

    def parameters_of(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The likelihood's parameters (B, C * P, H, W) for z (B, Z)."""
        hidden = self.image[:-1](self.decoder(self._labelled(z, condition)))
        with torch.autocast(z.device.type, enabled=False):  # 16 bits would round a level of grey
            parameters: Tensor = self.image[-1](hidden.to(self.head.mu.weight.dtype))
        return parameters.view(len(z), -1, *self.shape[1:])

    def negative_log_likelihood(
        self,
        x: Tensor,
        z: Tensor,
        condition: Tensor | None = None,
        generator: Generator | None = None,
        **decoding: float,
    ) -> Tensor:
        """-log p(x|z) (B,) in nats of images x (B, C, H, W)."""
        refuse_decoding(decoding)
        return self.likelihood.negative_log_likelihood(self.parameters_of(z, condition), x)

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Mean images (B, C, H, W), from 0, black, to 1, white, for z (B, Z), without gradients."""
        check_shape("z", z, (None, self.z_size))
        with torch.no_grad():
            return self.likelihood.mean(self.parameters_of(z, condition))

    def _labelled(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Rows (B, D) with their label as `labels` more features."""
        if condition is not None and not self.labels:
            raise ValueError("this model is not conditional: give it no labels")
        if condition is None:
            if self.labels:
                raise ValueError(f"this model is conditional: give each image a label below {self.labels}")
            return x
        return torch.cat([x, F.one_hot(condition, self.labels).to(x.dtype)], dim=1)
