"""What a model is worth on held-out windows: ELBO, accuracies with and without teacher forcing, active units."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from musevae import checkpoint
from musevae.models.music_vae import MusicVAE
from musevae.music.melody import FIRST_NOTE
from musevae.music.shards import DatasetError, read_split
from musevae.training.datasets import check_representation, seeded

BATCH = 512
ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, section 5.2


def evaluate(
    vae: MusicVAE, events: Tensor, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Figures of DESIGN's `musevae evaluate` on windows `events` (N, T), keyed by their names.

    ELBO terms are at beta 1 with one seeded draw of z; accuracies are shares of all steps (onset accuracies: of the
    target's note-on steps) decoded from the posterior mean: teacher-forced, free-running argmax, and free-running at
    temperature 1. ValueError when there is no window.
    """
    if not len(events):
        raise ValueError("the split has no windows to evaluate on")
    device = next(vae.parameters()).device
    draw, parts = seeded(device, seed), []
    vae.eval()
    with torch.inference_mode():
        for batch in torch.split(events, BATCH):
            parts.append(_measure(vae, batch.to(device).long(), draw))
            if progress:
                progress(sum(len(part["kl"]) for part in parts), len(events))
    return _summary({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, vae.steps)


def evaluate_split(
    vae: checkpoint.MusicVAE,
    data: str | Path,
    split: str = "validation",
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """`evaluate` on a split of a dataset folder; DatasetError where it is empty or of another representation."""
    check_representation(vae.config, Path(data))
    events = read_split(Path(data), split)
    if not len(events):
        raise DatasetError(f"{data} has no windows in its {split} split: choose another with --split")
    return evaluate(vae, torch.from_numpy(np.array(events)), seed=seed, progress=progress)


def _measure(vae: MusicVAE, events: Tensor, draw: Generator) -> dict[str, Tensor]:
    """Figures of each window of a batch, (B,) or (B, Z)."""
    posterior = vae.posterior(events)
    elbo = vae(events, generator=draw)
    decoded = {
        "teacher_forced": vae.logits(events, posterior.mu).argmax(-1),
        "greedy": vae.decode(posterior.mu, temperature=0.0),
        "sampled": vae.decode(posterior.mu, temperature=1.0, generator=draw),
    }
    onsets = events >= FIRST_NOTE
    right = {name: tokens == events for name, tokens in decoded.items()}
    return {
        "reconstruction": elbo.reconstruction,
        "kl": elbo.kl,
        "mu": posterior.mu,
        "onsets": onsets.sum(1),
        **{name: match.sum(1) for name, match in right.items()},
        **{f"{name}_onset": (match & onsets).sum(1) for name, match in right.items()},
    }


def _summary(figures: dict[str, Tensor], steps: int) -> dict[str, Any]:
    """Figures of all windows, in the order in which they are printed."""
    count = len(figures["kl"])
    reconstruction, kl = (float(figures[name].double().mean()) for name in ("reconstruction", "kl"))
    onsets = max(1, int(figures["onsets"].sum()))
    names = ("teacher_forced", "greedy", "sampled")
    return {
        "examples": count,
        "nelbo_nats": reconstruction + kl,
        "reconstruction_nats": reconstruction,
        "kl_nats": kl,
        "bits_per_step": (reconstruction + kl) / steps / math.log(2),
        **{f"{name}_accuracy": int(figures[name].sum()) / (count * steps) for name in names},
        **{f"{name}_onset_accuracy": int(figures[f"{name}_onset"].sum()) / onsets for name in names[1:]},
        "active_units": int((figures["mu"].double().var(0, unbiased=False) > ACTIVE_VARIANCE).sum()),
    }
