from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from musevae.config import Config
from musevae.music.shards import DatasetError
from musevae.training import evaluate as module
from musevae.training.datasets import open_dataset, seeded
from musevae.training.evaluate import evaluate, evaluate_split
from musevae.vaes import MusicVAE

KEYS = [  # DESIGN.md section 7, less `model` and `split`, which the command adds
    *("examples", "nelbo_nats", "reconstruction_nats", "kl_nats", "bits_per_step", "teacher_forced_accuracy"),
    *("greedy_accuracy", "sampled_accuracy", "greedy_onset_accuracy", "sampled_onset_accuracy", "active_units"),
]


@pytest.fixture
def events(dataset: Path) -> Tensor:
    return open_dataset(dataset)["train"].events


@torch.no_grad()
def greedy(vae: MusicVAE, z: Tensor) -> Tensor:
    """Argmax decoding from teacher-forced logits alone, a step at a time."""
    tokens = torch.zeros(len(z), vae.steps, dtype=torch.int64)
    for step in range(vae.steps):
        tokens[:, step] = vae.logits(tokens, z)[:, step].argmax(-1)
    return tokens


def shares(tokens: Tensor, target: Tensor) -> tuple[float, float]:
    """Shares of right tokens among all steps and among the target's note-on steps, counted one by one."""
    pairs = list(zip(tokens.flatten().tolist(), target.flatten().tolist(), strict=True))
    onsets = [pair for pair in pairs if pair[1] >= 2]
    return sum(a == b for a, b in pairs) / len(pairs), sum(a == b for a, b in onsets) / len(onsets)


@torch.no_grad()
def test_figures_are_those_computed_by_hand(vae: MusicVAE, events: Tensor) -> None:
    figures, target = evaluate(vae, events, seed=3), events.long()
    q = vae.posterior(target)
    draw = seeded(torch.device("cpu"), 3)
    z = q.mu + q.sigma * torch.randn(q.mu.shape, generator=draw)
    probabilities = vae.logits(target, z).softmax(-1).gather(2, target.unsqueeze(2))
    reconstruction = -probabilities.log().sum((1, 2)).mean().item()
    kl = kl_divergence(Normal(q.mu, q.sigma), Normal(0.0, 1.0)).sum(1).mean().item()
    assert figures["examples"] == 12
    assert figures["reconstruction_nats"] == pytest.approx(reconstruction, rel=1e-5)
    assert figures["kl_nats"] == pytest.approx(kl, rel=1e-5)
    assert figures["nelbo_nats"] == pytest.approx(reconstruction + kl, rel=1e-5)
    assert figures["bits_per_step"] == pytest.approx((reconstruction + kl) / 8 / math.log(2), rel=1e-5)
    assert figures["teacher_forced_accuracy"] == shares(vae.logits(target, q.mu).argmax(-1), target)[0]
    assert (figures["greedy_accuracy"], figures["greedy_onset_accuracy"]) == shares(greedy(vae, q.mu), target)
    sampled = vae.decode(q.mu, 1.0, draw)
    assert (figures["sampled_accuracy"], figures["sampled_onset_accuracy"]) == shares(sampled, target)
    assert figures["active_units"] == int((np.var(q.mu.double().numpy(), axis=0) > 0.01).sum())


def test_figures_have_the_agreed_names_in_order_and_are_plain_numbers(vae: MusicVAE, events: Tensor) -> None:
    figures = evaluate(vae, events)
    assert list(figures) == KEYS
    assert all(type(value) in (int, float) for value in figures.values())


def test_seed_reproduces_the_figures_and_another_changes_what_is_drawn(vae: MusicVAE, events: Tensor) -> None:
    first, again, other = (evaluate(vae, events, seed=seed) for seed in (1, 1, 2))
    assert first == again
    drawn = {key for key in KEYS if first[key] != other[key]}
    assert {"nelbo_nats", "reconstruction_nats", "bits_per_step"} <= drawn
    assert not drawn & {
        "kl_nats",
        "teacher_forced_accuracy",
        "greedy_accuracy",
        "greedy_onset_accuracy",
        "active_units",
    }


def test_batches_do_not_change_what_is_not_drawn(
    vae: MusicVAE, events: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate(vae, events)
    monkeypatch.setattr(module, "BATCH", 5)
    done: list[tuple[int, int]] = []
    parts = evaluate(vae, events, progress=lambda count, total: done.append((count, total)))
    assert done == [(5, 12), (10, 12), (12, 12)]
    for name in ("examples", "kl_nats", "teacher_forced_accuracy", "greedy_accuracy", "active_units"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)


def test_unit_is_active_whose_mean_varies_by_more_than_a_hundredth(vae: MusicVAE, events: Tensor) -> None:
    with torch.no_grad():
        spread = vae.posterior(events).mu.std(0, correction=0)
        vae.head.mu.weight *= (torch.tensor([0.0, 0.0099, 0.0101, 1.0]).sqrt() / spread)[:, None]
    assert evaluate(vae, events)["active_units"] == 2


def test_windows_without_an_onset_have_an_onset_accuracy_of_zero(vae: MusicVAE) -> None:
    figures = evaluate(vae, torch.zeros(3, 8, dtype=torch.uint8))
    assert (figures["greedy_onset_accuracy"], figures["sampled_onset_accuracy"]) == (0, 0)


def test_nothing_to_evaluate_on_is_refused(vae: MusicVAE, events: Tensor) -> None:
    with pytest.raises(ValueError, match="no windows to evaluate"):
        evaluate(vae, events[:0])


# A split of a dataset folder


def test_split_is_evaluated_on_its_own_windows(vae: MusicVAE, dataset: Path) -> None:
    assert evaluate_split(vae, dataset, "train") == evaluate(vae, open_dataset(dataset)["train"].events)
    assert evaluate_split(vae, dataset)["examples"] == 6


@pytest.mark.parametrize(
    ("split", "problem"),
    [("test", "dataset has no windows in its test split: choose another with --split"), ("dev", "has no split 'dev'")],
)
def test_split_without_windows_is_refused(vae: MusicVAE, dataset: Path, split: str, problem: str) -> None:
    with pytest.raises(DatasetError, match=problem):
        evaluate_split(vae, dataset, split)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bars": 2}, "another representation .bars 1, the model has 2.: prepare it with --model tiny"),
        ({"min_pitch": 59, "max_pitch": 70}, "min_pitch 60, the model has 59"),
        ({"time_signature": (2, 2)}, "time_signature"),
    ],
)
def test_dataset_of_another_representation_is_refused(
    tiny: Config, dataset: Path, changes: dict[str, Any], problem: str
) -> None:
    other = replace(tiny, representation=replace(tiny.representation, **changes))
    with pytest.raises(DatasetError, match=problem):
        evaluate_split(MusicVAE(other), dataset)


def test_which_tracks_were_melodies_is_no_other_representation(tiny: Config, dataset: Path) -> None:
    other = replace(tiny, representation=replace(tiny.representation, max_chord_share=0.5))
    assert evaluate_split(MusicVAE(other), dataset)["examples"] == 6
