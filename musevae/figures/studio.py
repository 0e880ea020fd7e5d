"""What figures are drawn from: a model, images, and small models that are trained for comparison by the one trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from musevae.checkpoint import WEIGHTS
from musevae.config import ImageConfig, ImageModelConfig, ImageTrainConfig
from musevae.images.image_set import ImageSet
from musevae.models.gaussian import Posterior
from musevae.trained_image_model import TrainedImageModel
from musevae.training.datasets import seeded
from musevae.training.evaluate_images import evaluate_images
from musevae.training.run import train
from musevae.vaes import MusicVAE, load_model

DRAWN = {"train": 2000, "validation": 200, "test": 800}  # images, where the model itself is the only source
HELD = 1000  # images that figures show and measure, at most
BATCH, BATCHES = 128, 50  # the largest batch, and the least batches of an epoch

Progress: TypeAlias = Callable[[str, int, int], None]  # what is being trained, the steps taken and to take


@dataclass(frozen=True, eq=False)
class Studio:
    """A model with its images; the small models are made when a figure first asks for them, and kept in `folder`."""

    model: TrainedImageModel
    images: Mapping[str, ImageSet]  # of the model's size, under train, validation and test
    source: str  # what captions call them
    epochs: int  # of each small model
    seed: int
    folder: Path  # for the runs of the small models
    progress: Progress | None = None

    @cached_property
    def held(self) -> ImageSet:
        """Up to 1,000 images that nothing was trained on, in an order of the seed; of a tiny folder what there is."""
        whole = next(self.images[split] for split in ("test", "validation", "train") if len(self.images[split]))
        return whole.select(np.random.default_rng(self.seed).permutation(len(whole))[:HELD])

    @cached_property
    def vae(self) -> TrainedImageModel:
        """The given model or, where that is conditional, the same without labels."""
        return self.trained("vae", self.architecture) if self.model.config.model.labels else self.model

    @cached_property
    def autoencoder(self) -> TrainedImageModel:
        """The given model's plain counterpart."""
        return self.trained("autoencoder", replace(self.architecture, noise=False))

    @property
    def architecture(self) -> ImageModelConfig:
        """The given model's, without labels; of DRAW, which has no plain counterpart, a VAE with one hidden layer."""
        model = self.model.config.model
        return ImageModelConfig(likelihood=model.likelihood) if model.network == "draw" else replace(model, labels=0)

    def trained(
        self,
        name: str,
        architecture: ImageModelConfig,
        **how: Any,  # noqa: ANN401 - fields of ImageTrainConfig
    ) -> TrainedImageModel:
        """A small model, trained when it is first asked for by this name."""
        run = self.folder / name
        if not (run / WEIGHTS).exists():
            config, progress = self._recipe(name, architecture, how), self._progress_of(name)
            result = train(config, self.images, run, seed=self.seed, device=str(self.device), progress=progress)
            if not result.finished:  # the trainer has caught what was meant to stop us
                raise KeyboardInterrupt
        vae = load_model(run, self.device)
        assert not isinstance(vae, MusicVAE)
        return TrainedImageModel(vae, name)

    def worth(self, model: TrainedImageModel) -> dict[str, Any]:
        """The figures of `evaluate_images` on the held images."""
        return evaluate_images(model.vae, {"held": self.held}, "held", seed=self.seed)

    def posterior(self, model: TrainedImageModel) -> tuple[Posterior, NDArray[np.float32]]:
        """q(z|x) of the held images, and a draw (N, Z) from each."""
        draw = self.draw()
        x = model.vae.likelihood.values(torch.from_numpy(self.held.pixels).to(self.device), draw)
        with torch.inference_mode():
            posterior, z = model.vae.infer(x, generator=draw)
        return posterior, z.cpu().numpy()

    def draw(self) -> Generator:
        """Randomness that depends on the seed alone."""
        return seeded(self.device, self.seed)

    @property
    def device(self) -> torch.device:
        """Where the model is, and where the small ones are trained."""
        return next(self.model.vae.parameters()).device

    def note(self, *parts: str) -> str:
        """Small print: what is particular of a figure, the images and the seed."""
        return "; ".join([*parts, f"{self.source}, seed {self.seed}"])

    @property
    def small(self) -> str:
        """How captions tell of the small models' training."""
        return f"small models: {self.epochs} epoch{'s' * (self.epochs != 1)} of {len(self.images['train']):,} images"

    def _recipe(self, name: str, architecture: ImageModelConfig, how: Mapping[str, Any]) -> ImageConfig:
        batch_size = max(1, min(BATCH, len(self.images["train"]) // BATCHES))
        usual = {"learning_rate": self.model.config.train.learning_rate, **how}
        plan = replace(ImageTrainConfig(epochs=self.epochs, batch_size=batch_size), **usual)
        return ImageConfig(preset=name, images=self.model.config.images, model=architecture, train=plan)

    def _progress_of(self, name: str) -> Callable[[Mapping[str, float], int], None] | None:
        progress = self.progress
        return None if progress is None else lambda figures, steps: progress(name, int(figures["step"]), steps)


def drawn_images(model: TrainedImageModel, seed: int) -> dict[str, ImageSet]:
    """A small data set of a model's samples, with the labels that a conditional model was told."""
    ends = np.cumsum([0, *DRAWN.values()])
    labels = np.arange(ends[-1]) % model.config.model.labels if model.config.model.labels else None
    whole = ImageSet(model.sample(int(ends[-1]), seed=seed, labels=labels), labels)
    return {split: whole.select(slice(*ends[number : number + 2])) for number, split in enumerate(DRAWN)}
