"""Bars to draw figures of: white, of some width and slant, on black; and a tiny model of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musevae.config import ImageConfig, ImageModelConfig, ImagesConfig, ImageTrainConfig
from musevae.figures.studio import Studio
from musevae.images.image_set import ImageSet
from musevae.trained_image_model import TrainedImageModel
from musevae.vaes import Draw, ImageVAE, build

SIDE = 10  # pixels
BARS = {"train": 100, "validation": 10, "test": 60}


def bars(count: int, seed: int) -> NDArray[np.uint8]:
    """Bars (count, 1, SIDE, SIDE) of 1 to 3 pixels, that lean to either side."""
    draw = np.random.default_rng(seed)
    slant, width, middle = draw.uniform(-0.5, 0.5, count), draw.integers(1, 4, count), draw.uniform(3, 6, count)
    y, x = np.mgrid[:SIDE, :SIDE]
    axis = middle[:, None, None] - slant[:, None, None] * (y - SIDE / 2)
    inside: NDArray[np.bool_] = np.abs(x - axis) <= width[:, None, None] / 2
    return inside[:, None].astype(np.uint8) * 255


def image_sets(*, labelled: bool = True) -> dict[str, ImageSet]:
    pixels = {split: bars(count, seed) for seed, (split, count) in enumerate(BARS.items())}
    return {split: ImageSet(found, np.arange(len(found)) % 3 if labelled else None) for split, found in pixels.items()}


def tiny_config(channels: int = 1, side: int = SIDE, **model: Any) -> ImageConfig:  # noqa: ANN401 - its ModelConfig's
    return ImageConfig(
        preset="tiny",
        images=ImagesConfig(channels=channels, height=side, width=side),
        model=ImageModelConfig(**{"z_size": 4, "sizes": (16,), **model}),
        train=ImageTrainConfig(learning_rate=1e-2),
    )


def tiny_model(**config: Any) -> TrainedImageModel:  # noqa: ANN401 - tiny_config's
    """An untrained model, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        vae = build(tiny_config(**config))
    assert isinstance(vae, ImageVAE | Draw)
    return TrainedImageModel(vae.eval(), "tiny")


def studio_of(model: TrainedImageModel, images: Mapping[str, ImageSet], folder: Path, epochs: int = 1) -> Studio:
    return Studio(model, images, "bars", epochs, 3, folder)
