"""What the samples and codes of MNIST models are worth, beyond the ELBO: the rows that `images.py` has trained, judged.

    python benchmarks/image_samples.py FOLDER [--runs runs/images]

A small convolutional classifier is trained first (and kept in the runs' folder): it judges whether a conditional model
draws the digit that it is told, and its features give the Frechet distance of samples from the test images (Heusel et
al. 2017, with these features for Inception's). The discrepancy (MMD) is that of draws from the posteriors of test
images from the prior. Samples are mean images, 10,000 of them, by seed 0.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musevae import checkpoint, pretrained
from musevae.images.image_set import ImageSet
from musevae.images.reading import read_images
from musevae.models.elbo import mmd_to_prior
from musevae.trained_image_model import TrainedImageModel
from musevae.training.datasets import seeded

CPU = torch.device("cpu")
EPOCHS, BATCH, SAMPLES = 6, 128, 10_000
TEMPERATURES = (1.0, 0.75, 0.5)  # of conditional samples
ROWS = ("mlp", "deep", "ae", "mmd", "cvae", "conv")  # of images.py
CODES = 4096  # of which the discrepancy is taken
Digits = tuple[Tensor, Tensor]  # pixels (N, 1, 28, 28) uint8, labels (N,)


class Judge(nn.Module):
    """A classifier of digits; its features (N, 128) are those before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * 25, 128), nn.ReLU()),
        )
        self.last = nn.Linear(128, 10)

    def features(self, pixels: Tensor) -> Tensor:
        """Features (N, 128) of pixels uint8, without gradients."""
        with torch.inference_mode():
            return torch.cat([self.body(part.float() / 255) for part in torch.split(pixels, 1000)])

    def judged(self, pixels: Tensor) -> Tensor:
        """The digits (N,) that it sees."""
        with torch.inference_mode():
            return self.last(self.features(pixels)).argmax(1)


def trained(digits: Digits, kept: Path) -> Judge:
    """A judge, from its file where there is one."""
    torch.manual_seed(0)
    judge, (pixels, labels) = Judge(), digits
    if not kept.exists():
        optimizer = torch.optim.Adam(judge.parameters(), 1e-3)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * -(-len(pixels) // BATCH))
        for epoch in range(EPOCHS):
            for rows in torch.split(torch.randperm(len(pixels), generator=seeded(CPU, epoch)), BATCH):
                loss = F.cross_entropy(judge.last(judge.body(pixels[rows].float() / 255)), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                slower.step()
        checkpoint.write_tensors(kept, judge.state_dict())
    judge.load_state_dict(checkpoint.read_tensors(kept)[0])
    return judge.eval()


def frechet(a: Tensor, b: Tensor) -> float:
    """The Frechet distance between Gaussians fitted to features a (N, D) and b (M, D)."""
    a, b = a.double(), b.double()
    covariances = a.T.cov(), b.T.cov()
    root = torch.linalg.eigvals(covariances[0] @ covariances[1]).real.clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return float(means + covariances[0].trace() + covariances[1].trace() - 2 * root)


def digits_of(held: ImageSet) -> Digits:
    """Images and labels as tensors."""
    assert held.labels is not None
    return torch.from_numpy(np.array(held.pixels)), torch.from_numpy(held.labels)


def figures(model: TrainedImageModel, judge: Judge, test: Tensor, real: Tensor) -> dict[str, float]:
    """What samples and codes of a model are worth, next to test images and their features."""
    made = torch.from_numpy(model.sample(SAMPLES, seed=0))
    distance = {"frechet distance of samples": frechet(judge.features(made), real)}
    if model.vae.labels:
        return {**distance, **{f"judged right at {t:g}": judged_right(model, judge, t) for t in TEMPERATURES}}
    values = model.vae.likelihood.values(test[:CODES], seeded(CPU, 0))
    with torch.inference_mode():
        _, z = model.vae.infer(values, None, seeded(CPU, 1))
        return {**distance, "mmd of codes from the prior": float(mmd_to_prior(z))}


def judged_right(model: TrainedImageModel, judge: Judge, temperature: float) -> float:
    """The share of conditional samples that are judged to be the digit asked for."""
    made = torch.from_numpy(model.sample(SAMPLES, temperature=temperature, seed=0))
    return share(judge.judged(made) == torch.arange(SAMPLES) % model.vae.labels)


def share(right: Tensor) -> float:
    """The share of those that are right."""
    return float(right.double().mean())


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/images"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    held = read_images(options.data, channels=1, height=28, width=28)
    train, (test, digits) = digits_of(held["train"]), digits_of(held["test"])
    judge = trained(train, options.runs / f"judge-{EPOCHS}-epochs.safetensors")
    real = judge.features(test)
    found: dict[str, object] = {
        "judge's accuracy on the test split": share(judge.judged(test) == digits),
        "frechet distance of training images": frechet(judge.features(train[0][:SAMPLES]), real),
    }
    for name in ROWS:
        if (options.runs / name / checkpoint.WEIGHTS).exists():
            found[name] = figures(pretrained.load_images(options.runs / name), judge, test, real)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
