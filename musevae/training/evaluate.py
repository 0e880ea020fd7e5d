"""What a model is worth on held-out windows: ELBO, accuracies with and without teacher forcing, active units."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from musevae import presets
from musevae.music.representation import Representation
from musevae.music.shards import DatasetError, read_split
from musevae.training.bounds import active_units, iwae, mean_nats
from musevae.training.datasets import as_tensor, check_representation, seeded
from musevae.vaes import MusicVAE

BATCH = 512


def evaluate(
    vae: MusicVAE,
    events: Tensor,
    *,
    draws: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Figures of DESIGN's `musevae evaluate` on windows `events` (N, T, ...), keyed by their names.

    ELBO terms are at beta 1 with one seeded draw of z; accuracies are shares of all tokens (a step's event; in a trio,
    each part's; onset accuracies: of those that strike something in the target), decoded from the posterior mean:
    teacher-forced, free-running argmax, and free-running at temperature 1. With `draws` there is also the bound of so
    many of them (IWAE). ValueError when there is no window.
    """
    if not len(events):
        raise ValueError("the split has no windows to evaluate on")
    device, representation = next(vae.parameters()).device, presets.music(vae.config)
    draw, parts = seeded(device, seed), []
    vae.eval()
    with torch.inference_mode():
        for batch in torch.split(events, BATCH):
            parts.append(_measure(vae, representation, batch.to(device), draw))
            if draws is not None:
                parts[-1]["iwae"] = iwae(vae, (batch.to(device),), draws, draw)
            if progress:
                progress(sum(len(part["kl"]) for part in parts), len(events))
    found = _summary({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, vae.steps)
    if draws is None:
        return found
    return {**found, "iwae_nats": -mean_nats(torch.cat([part["iwae"] for part in parts])), "k": draws}


def evaluate_split(
    vae: MusicVAE,
    data: str | Path,
    split: str = "validation",
    *,
    draws: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """`evaluate` on a split of a dataset folder; DatasetError where it is empty or of another representation."""
    check_representation(vae.config, Path(data))
    events = read_split(Path(data), split)
    if not len(events):
        raise DatasetError(f"{data} has no windows in its {split} split: choose another with --split")
    return evaluate(vae, as_tensor(events), draws=draws, seed=seed, progress=progress)


def _measure(vae: MusicVAE, representation: Representation, events: Tensor, draw: Generator) -> dict[str, Tensor]:
    """Figures of each window of a batch, (B,) or (B, Z)."""
    posterior = vae.posterior(events)
    elbo = vae(events, generator=draw)
    decoded = {
        "teacher_forced": vae.decoder.most_probable(vae.logits(events, posterior.mu)),
        "greedy": vae.decode(posterior.mu, temperature=0.0),
        "sampled": vae.decode(posterior.mu, temperature=1.0, generator=draw),
    }
    target = _tokens(representation, events)
    onsets = representation.onsets(target)
    right = {name: _tokens(representation, tokens) == target for name, tokens in decoded.items()}
    return {
        "reconstruction": elbo.reconstruction,
        "kl": elbo.kl,
        "mu": posterior.mu,
        "tokens": torch.ones_like(target).sum(1),
        "onsets": onsets.sum(1),
        **{name: match.sum(1) for name, match in right.items()},
        **{f"{name}_onset": (match & onsets).sum(1) for name, match in right.items()},
    }


def _tokens(representation: Representation, events: Tensor) -> Tensor:
    """What accuracy compares of events (B, T, ...), in one row a window."""
    return torch.from_numpy(representation.tokens(events.cpu().numpy())).flatten(1)


def _summary(figures: dict[str, Tensor], steps: int) -> dict[str, Any]:
    """Figures of all windows, in the order in which they are printed."""
    count = len(figures["kl"])
    reconstruction, kl = (mean_nats(figures[name]) for name in ("reconstruction", "kl"))
    tokens, onsets = int(figures["tokens"].sum()), max(1, int(figures["onsets"].sum()))
    names = ("teacher_forced", "greedy", "sampled")
    return {
        "examples": count,
        "nelbo_nats": reconstruction + kl,
        "reconstruction_nats": reconstruction,
        "kl_nats": kl,
        "bits_per_step": (reconstruction + kl) / steps / math.log(2),
        **{f"{name}_accuracy": int(figures[name].sum()) / tokens for name in names},
        **{f"{name}_onset_accuracy": int(figures[f"{name}_onset"].sum()) / onsets for name in names[1:]},
        "active_units": active_units(figures["mu"]),
    }
