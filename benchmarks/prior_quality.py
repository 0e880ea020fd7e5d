"""Whether samples from the prior are music: notes in scale, kicks on the first beat, bars with a note, no two alike.

    python benchmarks/prior_quality.py [MODEL] [-n 1024] [--temperature 0.5] [--seed 0] [--data DATASET]

Prints one JSON object; with --data, the same figures of the dataset's validation windows beside it.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from numpy.typing import NDArray

import musevae
from musevae.music.drums import DrumsRepresentation
from musevae.music.melody import FIRST_NOTE, MelodyRepresentation
from musevae.music.representation import Representation
from musevae.training.datasets import open_dataset

MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], bool)
ALIKE_AMONG = 64


def notes_in_scale(pitches: NDArray[np.int64]) -> int:
    """How many of the notes lie in the major scale that fits them best."""
    classes = np.bincount(pitches % 12, minlength=12)
    return max(int(classes[np.roll(MAJOR, key)].sum()) for key in range(12))


def melody_figures(tokens: NDArray[np.int64], representation: MelodyRepresentation) -> dict[str, float]:
    """Figures of melodies (N, T)."""
    struck = tokens >= FIRST_NOTE
    pitches = tokens - FIRST_NOTE + representation.min_pitch
    in_scale = sum(notes_in_scale(row[notes]) for row, notes in zip(pitches, struck, strict=True))
    return {"notes_in_best_major_scale": in_scale / struck.sum(), "notes_per_window": struck.sum(1).mean()}


def drum_figures(tokens: NDArray[np.int64], representation: DrumsRepresentation) -> dict[str, float]:
    """Figures of drum patterns (N, T), each token the sum of 2^k over the drums k struck: kick 0, snare 1."""
    drums = np.arange(representation.drum_classes)
    hits = tokens[..., None] >> drums & 1
    bars = hits.reshape(len(tokens), representation.bars, representation.steps_per_bar, -1)
    backbeat = bars[:, :, [4, 12], 1].mean() if representation.steps_per_bar == 16 else 0.0
    return {
        "kick_on_first_beat": bars[:, :, 0, 0].mean(),
        "snare_on_second_and_fourth_beat": backbeat,
        "hits_per_window": hits.sum((1, 2)).mean(),
        "drums_per_window": hits.any(1).sum(1).mean(),
    }


FIGURES = {"melody": melody_figures, "drums": drum_figures}


def figures(events: NDArray[np.int64], representation: Representation) -> dict[str, float]:
    """Figures of windows (N, T, ...)."""
    tokens = representation.tokens(events)
    bars = representation.onsets(tokens).reshape(len(tokens), representation.bars, -1)
    found = {
        "windows": len(tokens),
        "windows_with_a_note_in_each_bar": bars.any(-1).all(-1).mean(),
        f"distinct_of_first_{ALIKE_AMONG}": len(np.unique(tokens[:ALIKE_AMONG], axis=0)),
        **FIGURES[representation.name](tokens, representation),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def sample_figures(model: musevae.TrainedModel, n: int, temperature: float, seed: int) -> dict[str, float]:
    """Figures of `n` samples from the prior."""
    tunes = model.sample(n, temperature=temperature, seed=seed)
    windows = np.stack([model.representation.to_events(tune)[0] for tune in tunes])
    return figures(windows.astype(np.int64), model.representation)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="melody-2bar")
    parser.add_argument("-n", type=int, default=1024)
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data")
    options = parser.parse_args()
    model = musevae.load(options.model)
    result = {"samples": sample_figures(model, options.n, options.temperature, options.seed)}
    if options.data:
        held_out = open_dataset(options.data)["validation"].events.numpy().astype(np.int64)
        result["validation"] = figures(held_out, model.representation)
    print(
        json.dumps(
            {"model": options.model, "temperature": options.temperature, "seed": options.seed, **result}, indent=2
        )
    )


if __name__ == "__main__":
    main()
