"""Whether samples from the prior are music: notes in scale, bars with a note, and no two alike.

    python benchmarks/prior_quality.py [MODEL] [-n 1024] [--temperature 0.5] [--seed 0] [--data DATASET]

Prints one JSON object; with --data, the same figures of the dataset's validation windows beside it.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from numpy.typing import NDArray

import musevae
from musevae.music.melody import FIRST_NOTE, MelodyRepresentation
from musevae.training.datasets import open_dataset

MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], bool)
ALIKE_AMONG = 64


def notes_in_scale(pitches: NDArray[np.int64]) -> int:
    """How many of the notes lie in the major scale that fits them best."""
    classes = np.bincount(pitches % 12, minlength=12)
    return max(int(classes[np.roll(MAJOR, key)].sum()) for key in range(12))


def figures(windows: list[NDArray[np.int64]], representation: MelodyRepresentation) -> dict[str, float]:
    """Figures of windows of events (T,) each."""
    notes = [
        window[window >= FIRST_NOTE].astype(np.int64) - FIRST_NOTE + representation.min_pitch for window in windows
    ]
    bars = np.stack(windows).reshape(len(windows), representation.bars, representation.steps_per_bar)
    distinct = len({window.tobytes() for window in windows[:ALIKE_AMONG]})
    return {
        "windows": len(windows),
        "notes_in_best_major_scale": round(sum(map(notes_in_scale, notes)) / sum(map(len, notes)), 4),
        "windows_with_a_note_in_each_bar": round(float((bars >= FIRST_NOTE).any(-1).all(-1).mean()), 4),
        "notes_per_window": round(sum(map(len, notes)) / len(windows), 2),
        f"distinct_of_first_{ALIKE_AMONG}": distinct,
    }


def sample_figures(model: musevae.TrainedModel, n: int, temperature: float, seed: int) -> dict[str, float]:
    """Figures of `n` samples from the prior."""
    tunes = model.sample(n, temperature=temperature, seed=seed)
    windows = [model.representation.to_events(tune)[0].astype(np.int64) for tune in tunes]
    return figures(windows, model.representation)


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
        result["validation"] = figures(list(held_out), model.representation)
    print(
        json.dumps(
            {"model": options.model, "temperature": options.temperature, "seed": options.seed, **result}, indent=2
        )
    )


if __name__ == "__main__":
    main()
