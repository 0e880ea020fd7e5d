"""Learning images: pixels as the values of the model's likelihood, drawn anew at each step where they are random."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor

from musevae.config import ConfigError, ImageConfig
from musevae.images.image_set import ImageDataError, ImageSet
from musevae.images.reading import read_images
from musevae.models.likelihoods import LIKELIHOODS
from musevae.training.datasets import seeded
from musevae.training.task import VALIDATION_BATCH, Batch, Task
from musevae.vaes import AnyVae, MusicVAE

Images: TypeAlias = Path | Mapping[str, ImageSet]  # a folder of them, or the splits themselves

MEAN_BATCH = 8192  # images that are made numbers at once
PICTURES = 16  # shown of held-out images, and of samples
SEED = 2  # the same z each time, so that one can see a sample change


class Examples:
    """Images on a device, and the labels that a conditional model is given with them."""

    def __init__(self, held: ImageSet, config: ImageConfig, data: Images, device: torch.device) -> None:
        self.pixels = torch.from_numpy(held.pixels).to(device)
        self.likelihood = LIKELIHOODS[config.model.likelihood]
        self.labels: Tensor | None = None
        if config.model.labels:
            self.labels = torch.from_numpy(checked_labels(held, config, data)).to(device)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor | slice, draw: Generator) -> Batch:
        """Values (B, C, H, W), and labels (B,) where the model takes such."""
        values = self.likelihood.values(self.pixels[rows], draw)
        return (values,) if self.labels is None else (values, self.labels[rows])

    def mean(self) -> Tensor:
        """What the values are on average, (C, H, W)."""
        parts = [
            self.likelihood.expected(part).sum(0, dtype=torch.float64) for part in torch.split(self.pixels, MEAN_BATCH)
        ]
        return (torch.stack(parts).sum(0) / len(self)).float()

    def batches(self, size: int, draw: Generator) -> Iterator[Batch]:
        """All of them, in order."""
        return (self.batch(slice(start, start + size), draw) for start in range(0, len(self), size))


class ImageTask(Task):
    """The images of a folder, or at hand; ImageDataError where they are none, or not of the config's size."""

    config: ImageConfig
    unit = "images"

    def __init__(self, config: ImageConfig, data: Images, device: torch.device) -> None:
        splits = read(config, data, "train", "validation")
        held = splits["validation"].select(slice(config.train.validation_examples))
        source = {"data": [data.resolve().name]} if isinstance(data, Path) else {}
        self.config = replace(config, provenance={**config.provenance, **source})
        self.train, self.validated = (Examples(part, config, data, device) for part in (splits["train"], held))
        self.examples, self.held_out_examples = len(self.train), len(self.validated)
        self.held_out = [len(held), zlib.crc32(held.pixels.tobytes())]

    @property
    def steps(self) -> int:
        """So many epochs of whole batches."""
        return self.config.train.epochs * (self.examples // self.config.train.batch_size)

    def begin(self, vae: AnyVae) -> None:
        """The mean image of the training split is what the model makes at first."""
        assert not isinstance(vae, MusicVAE)
        vae.begin_at(self.train.mean())

    def batch(self, rows: Tensor, draw: Generator) -> Batch:
        """Values (B, C, H, W) drawn for those images, and their labels where the model takes such."""
        return self.train.batch(rows, draw)

    def decoding(self, step: int) -> Mapping[str, Any]:
        """How many of the draws gradients go through, where it is not all."""
        resampled = self.config.train.resampled
        return {"resampled": resampled} if resampled else {}

    def validation(self, draw: Generator) -> Iterator[Batch]:
        """Values that are the same each time, for the generator is."""
        return self.validated.batches(VALIDATION_BATCH, draw)

    def show(self, board: Any, vae: AnyVae, step: int) -> None:  # noqa: ANN401 - a SummaryWriter
        """Held-out images above their reconstructions, and samples."""
        assert not isinstance(vae, MusicVAE)
        device = self.train.pixels.device
        draw = seeded(device, SEED)
        z = torch.randn(PICTURES, vae.z_size, generator=draw, device=device)
        labels = torch.arange(PICTURES, device=device) % vae.labels if vae.labels else None
        board.add_images("sample", vae.decode(z, labels), step)
        if len(self.validated):
            x, *condition = self.validated.batch(slice(0, PICTURES), draw)
            with torch.inference_mode():
                again = vae.decode(vae.posterior(x, *condition).mu, *condition)
            board.add_images("reconstruction", torch.cat([x.clamp(0, 1), again], dim=2), step)


def read(config: ImageConfig, data: Images, *wanted: str) -> Mapping[str, ImageSet]:
    """The splits of a folder, or those at hand, of the config's size, with those `wanted` among them."""
    images = config.images
    if isinstance(data, Path):
        data = read_images(data, channels=images.channels, height=images.height, width=images.width)
    if missing := set(wanted) - data.keys():
        raise ImageDataError(f"the data set has no split {' and no '.join(sorted(missing))}, only {', '.join(data)}")
    for split, held in data.items():
        shape = held.pixels.shape[1:]
        if shape != images.shape:
            raise ImageDataError(f"{split} has images of the shape {shape}; {config.preset} is for {images.shape}")
    return data


def checked_labels(held: ImageSet, config: ImageConfig, data: Images) -> Any:  # noqa: ANN401 - an array
    """The labels (N,) int64 of images; an error where there are none, or too many."""
    name = data if isinstance(data, Path) else "the data set"
    if held.labels is None:
        raise ImageDataError(f"{name} has no labels, which {config.preset} is trained with: choose another preset")
    if len(held) and not 0 <= held.labels.min() <= held.labels.max() < config.model.labels:
        raise ConfigError(
            f"{name} has labels up to {held.labels.max()}, and the model {config.model.labels}: "
            f"--set model.labels={held.labels.max() + 1}"
        )
    return held.labels
