"""What the variational autoencoders of music and of images have in common: one ELBO, at one draw of z or at many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from musevae.models.elbo import Elbo, resample
from musevae.models.gaussian import DiagonalGaussian, Posterior


class Vae(nn.Module, ABC):
    """An encoder, a posterior and a decoder of examples x (B, ...), given a condition (B, ...) where the model has one.

    Where several `samples` of an example are drawn, its row is repeated: row b * samples + k is draw k of example b.
    """

    z_size: int

    @abstractmethod
    def infer(
        self, x: Tensor, condition: Tensor | None = None, generator: Generator | None = None, samples: int = 1
    ) -> tuple[Posterior, Tensor]:
        """q(z|x) of x (B, ...), each `samples` times, and a draw of each: z (B * samples, Z)."""

    @abstractmethod
    def negative_log_likelihood(
        self,
        x: Tensor,
        z: Tensor,
        condition: Tensor | None = None,
        generator: Generator | None = None,
        **decoding: Any,  # noqa: ANN401 - what a kind of model adds
    ) -> Tensor:
        """-log p(x|z) (B,) in nats; `decoding`, with its `generator`, is what a kind of model adds."""

    def forward(
        self,
        x: Tensor,
        condition: Tensor | None = None,
        generator: Generator | None = None,
        samples: int = 1,
        resampled: int = 0,
        **decoding: Any,  # noqa: ANN401 - what a kind of model adds
    ) -> Elbo:
        """Both terms of the ELBO of x (B, ...), at `samples` draws of z each, in training and evaluation alike.

        Where `resampled` is not 0, the gradient of the bound goes through so many of an example's draws only, chosen by
        their weights; both terms have none then. It is right on average, unless dropout or scheduled sampling make the
        likelihood random, and costs a backward pass of theirs in place of all draws' (Burda et al. 2016, section 3).
        """
        if resampled and not 0 < resampled < samples:
            raise ValueError(f"resampled is {resampled}: it must be less than samples, {samples}, or 0 for all")
        posterior, z = self.infer(x, condition, generator, samples)

        def cost(z: Tensor, samples: int) -> Tensor:
            given = None if condition is None else rows(condition, samples)
            return self.negative_log_likelihood(rows(x, samples), z, given, generator, **decoding)

        if not resampled:
            return elbo(posterior, z, cost(z, samples), samples)
        with torch.no_grad():
            whole = elbo(posterior, z, cost(z, samples), samples)
        torch.clear_autocast_cache()  # or weights cast to 16 bits without gradients would be used again
        assert whole.log_weights is not None
        chosen = resample(whole.log_weights, resampled, generator)
        z = z[chosen]
        mean = log_weights(posterior.at(chosen), z, cost(z, resampled), resampled).mean(0)
        return replace(whole, log_weights=whole.log_weights + (mean - mean.detach()))

    @property
    def num_parameters(self) -> int:
        """The number of trainable parameters: Magenta's total for its architectures."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def elbo(posterior: Posterior, z: Tensor, nll: Tensor, samples: int = 1) -> Elbo:
    """Both terms at draws z (B * K, Z) of q(z|x), with -log p(x|z) `nll` (B * K,) in nats, K being `samples`."""
    kl = posterior.kl_per_dim()
    if samples == 1:
        return Elbo(nll, kl, z)
    weights = log_weights(posterior, z, nll, samples)
    return Elbo(draws(nll, samples).mean(0), draws(kl, samples).mean(0), z, weights)


def log_weights(posterior: Posterior, z: Tensor, nll: Tensor, samples: int) -> Tensor:
    """Log p(x, z) - log q(z|x) (K, B) in nats of draws z (B * K, Z), K being `samples`."""
    return draws(DiagonalGaussian.standard_like(z).log_prob(z) - posterior.log_prob(z) - nll, samples)


def check_shape(name: str, tensor: Tensor, expected: tuple[int | None, ...]) -> None:
    """ValueError where a tensor is not of the expected shape; None stands for any size."""
    sizes = zip(tensor.shape, expected, strict=False)
    if tensor.dim() != len(expected) or any(size is not None and given != size for given, size in sizes):
        letters = ", ".join("B" if size is None else str(size) for size in expected)
        raise ValueError(f"{name}: the shape is {tuple(tensor.shape)}; expected ({letters})")


def refuse_decoding(decoding: Mapping[str, object]) -> None:
    """ValueError where a model that decodes in one way only is told of another."""
    if decoding:
        raise ValueError(f"this model decodes in one way only: leave out {', '.join(decoding)}")


def rows(x: Tensor, samples: int) -> Tensor:
    """Examples (B, ...), each once for each of its draws, (B * samples, ...)."""
    return x if samples == 1 else x.repeat_interleave(samples, dim=0)


def draws(x: Tensor, samples: int) -> Tensor:
    """Rows (B * samples, ...) by draw, (samples, B, ...)."""
    return x.view(-1, samples, *x.shape[1:]).transpose(0, 1)
