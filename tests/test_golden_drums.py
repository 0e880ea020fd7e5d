"""The drum model that we ship, end to end: it reads a beat, gives it back, and makes beats of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from musevae import pretrained, read_midi, write_midi
from musevae.trained_model import TrainedModel

MODEL = "drums-2bar"
BEAT = Path(__file__).parents[1] / "samples" / "inputs" / "rock-beat.mid"
KICK, SNARE = 0, 1
GOLDEN = (
    "0:10000010101000001000001010000000 "
    "1:00001000000010000000100000001000 "
    "2:10101010101010001010101010101010 "
    "3:00000000000000100000000000000000"
)  # the greedy reconstruction of the beat's second and third bar, as `notation` writes it

pytestmark = pytest.mark.skipif(
    not (pretrained.BUNDLED / MODEL / "model.safetensors").exists(), reason=f"{MODEL} is not bundled"
)


@pytest.fixture(scope="module")
def bundled() -> TrainedModel:
    return pretrained.load(MODEL)


@pytest.fixture(scope="module")
def bits(bundled: TrainedModel) -> NDArray[np.uint8]:
    """256 samples, (256, 2 bars, 16 steps, 9 drums)."""
    tunes = bundled.sample(256, temperature=0.5, seed=0)
    return np.stack([bundled.representation.to_events(tune)[0] for tune in tunes]).reshape(256, 2, 16, 9)


def notation(bits: NDArray[np.uint8]) -> str:
    """One digit string a drum that plays, kick first."""
    return " ".join(f"{drum}:" + "".join(map(str, row)) for drum, row in enumerate(bits.T) if row.any())


def test_greedy_reconstruction_is_the_frozen_one(bundled: TrainedModel) -> None:
    (beat,) = bundled.reconstruct([BEAT], temperature=0, bar=2)
    assert notation(bundled.representation.to_events(beat)[0]) == GOLDEN


def test_our_beat_comes_back_nearly_whole(bundled: TrainedModel) -> None:
    wanted = bundled.representation.tokens(bundled.excerpt(BEAT, bar=2).events)
    (beat,) = bundled.reconstruct([BEAT], temperature=0, bar=2)
    made = bundled.representation.tokens(bundled.representation.to_events(beat)[0])
    assert (made == wanted).mean() >= 0.75


def test_samples_are_beats(bits: NDArray[np.uint8]) -> None:
    assert bits.any(axis=(2, 3)).all(axis=1).mean() >= 0.95  # something in each bar
    assert bits[:, :, 0, KICK].mean() > 2 * bits[..., KICK].mean()  # the kick is on the first beat
    assert bits[:, :, [4, 12], SNARE].mean() > 1.5 * bits[..., SNARE].mean()  # the snare on the second and fourth
    assert len(np.unique(bits[:64].reshape(64, -1), axis=0)) == 64


def test_samples_are_written_on_the_drum_channel(bundled: TrainedModel, tmp_path: Path) -> None:
    write_midi(bundled.sample(1, seed=1)[0], tmp_path / "beat.mid")
    assert read_midi(tmp_path / "beat.mid").is_drum.all()


def test_config_names_the_data_its_licence_and_the_held_out_figures(bundled: TrainedModel) -> None:
    provenance = bundled.config.provenance
    assert "CC-BY-4.0" in str(provenance["data"])
    assert provenance["validation"]["teacher_forced_accuracy"] >= 0.85
    assert provenance["validation"]["greedy_accuracy"] >= 0.75


def test_weights_are_small_enough_to_ship() -> None:
    assert (pretrained.BUNDLED / MODEL / "model.safetensors").stat().st_size <= 10 * 2**20
