"""TrainedImageModel: an image model with its verbs, on arrays of pixels: sample, encode, interpolate and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor

from musevae import latent
from musevae.config import ImageConfig
from musevae.models.outputs import check_temperature
from musevae.vaes import AnyImageVae, save_model

BATCH = 512
WHITE = 255

Pixels: TypeAlias = NDArray[np.uint8]  # (N, C, H, W)


class TrainedImageModel:
    """A model that takes and gives images, uint8 (N, C, H, W); `vae` is the torch module beneath it.

    A conditional model takes `labels` (N,), one for each image. The same `seed` gives the same images on the same
    machine; None draws a fresh one. Images made are means: the probability of white, or the mean level.
    """

    def __init__(self, vae: AnyImageVae, name: str) -> None:
        self.vae, self.name = vae, name

    @property
    def config(self) -> ImageConfig:
        """What the model is and where its weights come from."""
        return self.vae.config

    def __repr__(self) -> str:
        return f"TrainedImageModel({self.name!r}, {self.config.images}, {self.vae.num_parameters:,} parameters)"

    def sample(
        self, n: int = 1, *, temperature: float = 1.0, seed: int | None = None, labels: ArrayLike | None = None
    ) -> Pixels:
        """`n` images decoded from the prior; of a conditional model without `labels`, each label in turn.

        `temperature` is the standard deviation of z: 1 is the prior, less makes images clearer and more alike
        (Kingma & Dhariwal 2018, section 6).
        """
        if n < 1:
            raise ValueError(f"n is {n}; at least 1 must be asked for")
        check_temperature(temperature)
        if labels is None and self.config.model.labels:
            labels = np.arange(n) % self.config.model.labels
        return self.decode(temperature * self.prior(n, seed), labels=labels)

    def prior(self, n: int, seed: int | None = None) -> Tensor:
        """Draws (n, Z) from N(0, I)."""
        draw = Generator(self._device)
        draw.manual_seed(seed) if seed is not None else draw.seed()
        return torch.randn(n, self.vae.z_size, generator=draw, device=self._device)

    def encode(self, pixels: Pixels, *, labels: ArrayLike | None = None) -> NDArray[np.float32]:
        """Posterior means (N, Z) float32; an autoencoder's codes."""
        if pixels.dtype != np.uint8:
            raise ValueError(f"images are {pixels.dtype}; expected uint8, from 0, black, to 255, white")
        if pixels.ndim != 4 or pixels.shape[1:] != self.config.images.shape or not len(pixels):
            raise ValueError(
                f"images: the shape is {pixels.shape}; expected (N, {', '.join(map(str, self.config.images.shape))})"
            )
        means = []
        with torch.inference_mode():
            for rows, condition in self._batches(torch.from_numpy(np.array(pixels)), labels):
                means.append(self.vae.posterior(self.vae.likelihood.expected(rows), condition).mu)
        return torch.cat(means).cpu().numpy()

    def decode(self, z: ArrayLike | Tensor, *, labels: ArrayLike | None = None) -> Pixels:
        """An image for each z (N, Z)."""
        points = (z.detach() if isinstance(z, Tensor) else torch.as_tensor(np.asarray(z))).float()
        if points.dim() != 2 or points.shape[1] != self.vae.z_size or not points.isfinite().all():
            raise ValueError(f"z must be finite and of shape (N, {self.vae.z_size}); this is {tuple(points.shape)}")
        means = torch.cat([self.vae.decode(rows, condition) for rows, condition in self._batches(points, labels)])
        return (means * WHITE).round().to(torch.uint8).cpu().numpy()

    def reconstruct(self, pixels: Pixels, *, labels: ArrayLike | None = None) -> Pixels:
        """Each image, encoded and decoded again."""
        return self.decode(self.encode(pixels, labels=labels), labels=labels)

    def interpolate(
        self, a: Pixels, b: Pixels, n: int = 9, *, straight: bool = False, label: int | None = None
    ) -> Pixels:
        """`n` images from image `a` (C, H, W) to `b`, both ends included, on a great circle or a straight line.

        Of a conditional model all have the same `label`.
        """
        if n < 2:
            raise ValueError(f"n is {n}; an interpolation has at least its 2 ends")
        start, end = torch.from_numpy(self.encode(np.stack([a, b]), labels=repeated(label, 2)))
        points = (latent.lerp if straight else latent.slerp)(start, end, torch.linspace(0, 1, n))
        return self.decode(points, labels=repeated(label, n))

    def arithmetic(self, x: Pixels, a: Pixels, b: Pixels, *, label: int | None = None) -> Pixels:
        """Images x, a and b (C, H, W), and the image of z(x) - z(a) + z(b): (4, C, H, W), all of one `label`."""
        codes = self.encode(np.stack([x, a, b]), labels=repeated(label, 3))
        made = self.decode([codes[0] - codes[1] + codes[2]], labels=repeated(label, 1))
        return np.concatenate([np.stack([x, a, b]), made])

    def attribute_strips(
        self,
        pixels: Pixels,
        has: NDArray[np.bool_],
        n: int,
        times: Sequence[float],
        *,
        labels: NDArray[np.int64] | None = None,
    ) -> Pixels:
        """The first `n` of images (N, C, H, W), each with an attribute's vector added so many `times`, row by row.

        The vector is that of those that `has` (N,) says have the attribute, against the others.
        """
        z = torch.from_numpy(self.encode(pixels, labels=labels))
        vector = latent.attribute_vector(z, torch.from_numpy(np.asarray(has)))
        points = z[:n, None] + torch.tensor(times)[:, None] * vector  # (n, times, Z)
        return self.decode(points.flatten(0, 1), labels=None if labels is None else labels[:n].repeat(len(times)))

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Write a model folder; `half` stores the weights in 16 bits."""
        save_model(Path(folder), self.vae, half=half)

    @property
    def _device(self) -> torch.device:
        return next(self.vae.parameters()).device

    def _batches(self, x: Tensor, labels: ArrayLike | None) -> list[tuple[Tensor, Tensor | None]]:
        """Rows and their labels, on the model's device, in batches."""
        parts = torch.split(x.to(self._device), BATCH)
        if labels is None:
            return [(part, None) for part in parts]
        chosen = checked(np.asarray(labels), len(x), self.config.model.labels)
        return list(zip(parts, torch.split(chosen.to(self._device), BATCH), strict=True))


def repeated(label: int | None, n: int) -> list[int] | None:
    """The same label for n images, or none for all."""
    return None if label is None else [label] * n


def checked(labels: NDArray[Any], count: int, most: int) -> Tensor:
    """Labels (count,) as a tensor; ValueError where the model is not conditional, or knows no such label."""
    if not most:
        raise ValueError("this model is not conditional: give it no labels")
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels are {labels.dtype} {labels.shape}; expected {count} whole numbers, one an image")
    if not ((labels >= 0) & (labels < most)).all():
        raise ValueError(f"labels reach {labels.min()}..{labels.max()}; this model's are 0..{most - 1}")
    return torch.from_numpy(labels.astype(np.int64))
