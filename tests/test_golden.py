"""The weights that we ship, end to end: they read tunes, give them back, and make music of their own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from musevae import pretrained
from musevae.music.note_sequence import NoteSequence
from musevae.trained_model import TrainedModel

MODEL = "melody-2bar"
MAJOR = np.isin(np.arange(12), [0, 2, 4, 5, 7, 9, 11])
INPUTS = sorted((Path(__file__).parents[1] / "samples" / "inputs").glob("*.mid"))
GOLDEN: dict[str, str] = {  # tune -> its greedy reconstruction, as `notation` writes it; print that to freeze it anew
    "drunken-sailor": (
        "69@0-2 69@2-3 69@3-4 69@4-6 69@6-7 69@7-8 69@8-10 69@10-12 62@12-14 65@14-16 "
        "67@16-18 67@18-19 67@19-20 67@20-22 67@22-23 67@23-24 67@24-26 60@26-28 64@28-30 67@30-32"
    ),
    "frere-jacques": "65@0-4 67@4-8 69@8-12 65@12-16 65@16-20 67@20-24 69@24-28 65@28-32",
    "ode-to-joy": "64@0-4 64@4-8 65@8-12 67@12-16 67@16-20 65@20-24 64@24-28 62@28-32",
    "twinkle": "60@0-4 60@4-8 67@8-12 67@12-16 69@16-20 69@20-24 67@24-32",
}

pytestmark = pytest.mark.skipif(
    not (pretrained.BUNDLED / MODEL / "model.safetensors").exists(), reason=f"{MODEL} is not bundled"
)


@pytest.fixture(scope="module")
def bundled() -> TrainedModel:
    return pretrained.load(MODEL)


@pytest.fixture(scope="module")
def samples(bundled: TrainedModel) -> list[NoteSequence]:
    return bundled.sample(256, temperature=0.5, seed=0)


def notation(tune: NoteSequence) -> str:
    """Pitch@start-end in 16ths, note by note."""
    return " ".join(f"{note.pitch}@{round(note.start * 4)}-{round(note.end * 4)}" for note in tune.notes)


def excerpts(model: TrainedModel) -> list[str]:
    """The sample tunes whose metre the model reads."""
    fitting = []
    for path in INPUTS:
        try:
            model.excerpt(path)
        except ValueError:
            continue
        fitting.append(path.stem)
    return fitting


def in_best_major_scale(tune: NoteSequence) -> int:
    """How many notes lie in the major scale that holds most of them."""
    classes = np.bincount(tune.pitch % 12, minlength=12)
    return max(int(classes @ np.roll(MAJOR, key)) for key in range(12))


@pytest.mark.parametrize("stem", sorted(GOLDEN))
def test_greedy_reconstruction_is_the_frozen_one(bundled: TrainedModel, stem: str) -> None:
    (path,) = (path for path in INPUTS if path.stem == stem)
    (tune,) = bundled.reconstruct([path], temperature=0)
    assert notation(tune) == GOLDEN[stem]


def test_config_names_the_data_and_the_held_out_figures(bundled: TrainedModel) -> None:
    assert bundled.config.preset == MODEL
    assert {"data", "seed", "steps"} <= set(bundled.config.provenance)


def test_weights_are_small_enough_to_ship() -> None:
    assert (pretrained.BUNDLED / MODEL / "model.safetensors").stat().st_size <= 10 * 2**20


def test_our_tunes_come_back_nearly_whole(bundled: TrainedModel) -> None:
    stems = excerpts(bundled)
    assert len(stems) >= 3
    paths = [path for path in INPUTS if path.stem in stems]
    wanted = np.stack([bundled.excerpt(path).events for path in paths])
    made = np.stack([bundled.representation.to_events(tune)[0] for tune in bundled.reconstruct(paths, temperature=0)])
    assert (made == wanted).mean() >= 0.9


def test_samples_keep_to_a_scale(samples: list[NoteSequence]) -> None:
    inside = sum(in_best_major_scale(tune) for tune in samples)
    assert inside / sum(len(tune) for tune in samples) >= 0.92


def test_samples_have_a_note_in_each_bar(samples: list[NoteSequence]) -> None:
    full = sum(set((tune.start // 4).astype(int)) == {0, 1} for tune in samples)
    assert full / len(samples) >= 0.97


def test_no_two_samples_are_alike(samples: list[NoteSequence]) -> None:
    assert len({notation(tune) for tune in samples[:64]}) == 64


def test_samples_move_as_melodies_do(samples: list[NoteSequence]) -> None:
    """Most steps between neighbouring notes are no larger than a fifth."""
    steps = [abs(a - b) for tune in samples for a, b in pairwise(tune.pitch.astype(int).tolist())]
    assert np.mean(np.array(steps) <= 7) >= 0.8


def test_interpolation_leads_from_one_tune_to_the_other(bundled: TrainedModel) -> None:
    a, b = (path for path in INPUTS if path.stem in excerpts(bundled)[:2])
    tunes = bundled.interpolate(a, b, 9, temperature=0)
    assert [tunes[0], tunes[-1]] == bundled.reconstruct([a, b], temperature=0, qpm=tunes[0].qpm)
    assert len({notation(tune) for tune in tunes}) > 4
