from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musevae import pretrained, slerp, trained_model
from musevae.config import Config
from musevae.music.midi import MidiError, write_midi
from musevae.music.note_sequence import Note, NoteSequence, Tempo, concatenate
from musevae.trained_model import Excerpt, TrainedModel
from musevae.vaes import MusicVAE

Verb = Callable[[TrainedModel, NoteSequence, int], list[NoteSequence]]

VERBS: dict[str, Verb] = {  # each with a model, a tune and a seed
    "sample": lambda model, tune, seed: model.sample(4, temperature=1.0, seed=seed),
    "reconstruct": lambda model, tune, seed: model.reconstruct([tune] * 4, temperature=1.0, seed=seed),
    "interpolate": lambda model, tune, seed: model.interpolate(tune, tune, 4, temperature=1.0, seed=seed),
    "similar": lambda model, tune, seed: model.similar(tune, 4, temperature=1.0, seed=seed),
    "decode": lambda model, tune, seed: model.decode(np.zeros((4, 4)), temperature=1.0, seed=seed),
}


def posterior_mean(model: TrainedModel, tune: NoteSequence) -> np.ndarray[Any, np.dtype[np.float32]]:
    (events,) = model.representation.to_events(tune)
    with torch.no_grad():
        return model.vae.posterior(torch.from_numpy(events)[None]).mu[0].numpy()


@pytest.mark.parametrize("verb", VERBS)
def test_seed_gives_the_same_music_and_another_gives_other(model: TrainedModel, tune: NoteSequence, verb: str) -> None:
    first, again, other = (VERBS[verb](model, tune, seed) for seed in (1, 1, 2))
    assert len(first) == 4
    assert first == again
    assert first != other


@pytest.mark.parametrize("verb", VERBS)
def test_no_seed_draws_afresh_and_leaves_torchs_own_generator_alone(
    model: TrainedModel, tune: NoteSequence, verb: str
) -> None:
    before = torch.get_rng_state()
    VERBS[verb](model, tune, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_seed_samples_differ(model: TrainedModel) -> None:
    assert model.sample(4, temperature=1.0) != model.sample(4, temperature=1.0)


@pytest.mark.parametrize("verb", VERBS)
def test_what_the_model_gives_can_be_written_and_read_by_it(
    model: TrainedModel, tune: NoteSequence, verb: str, tmp_path: Path
) -> None:
    for made in VERBS[verb](model, tune, 1):
        assert made.end_time == 4
        write_midi(made, tmp_path / "tune.mid")
        if len(made):
            assert model.encode([tmp_path / "tune.mid"]).tolist() == model.encode([made]).tolist()


# Encoding


def test_tunes_are_encoded_to_their_posterior_means(
    model: TrainedModel, tune: NoteSequence, other_tune: NoteSequence
) -> None:
    z = model.encode([tune, other_tune])
    assert z.shape == (2, 4)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, [posterior_mean(model, tune), posterior_mean(model, other_tune)], atol=1e-5)
    assert np.abs(z[0] - z[1]).max() > 1e-3


def test_path_pretty_midi_and_excerpt_are_tunes_too(model: TrainedModel, tune: NoteSequence, tmp_path: Path) -> None:
    write_midi(tune, tmp_path / "tune.mid")
    forms = [tmp_path / "tune.mid", str(tmp_path / "tune.mid"), tune.to_pretty_midi(), model.excerpt(tune)]
    for form in forms:
        assert model.encode([form]).tolist() == model.encode([tune]).tolist()


def test_many_tunes_are_encoded_and_decoded_in_batches(
    model: TrainedModel, tune: NoteSequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    z, made = model.encode([tune] * 5), model.decode(np.zeros((5, 4)), temperature=0)
    monkeypatch.setattr(trained_model, "BATCH", 2)
    np.testing.assert_allclose(model.encode([tune] * 5), z, atol=1e-5)
    assert model.decode(np.zeros((5, 4)), temperature=0) == made


@pytest.mark.parametrize("one", ["tune.mid", Path("tune.mid"), NoteSequence.from_notes([])])
def test_one_tune_instead_of_a_list_is_refused(model: TrainedModel, one: str | Path | NoteSequence) -> None:
    with pytest.raises(TypeError, match=r"as a list: encode\(\[tune\]\)"):
        model.encode(one)  # type: ignore[arg-type]


def test_nothing_to_encode_is_refused(model: TrainedModel) -> None:
    with pytest.raises(ValueError, match="nothing to encode"):
        model.encode([])


# Excerpts

LONG = NoteSequence.from_notes([Note(60 + bar, 4 * bar, 4 * bar + 4) for bar in range(1, 6)], qpm=77)


@pytest.mark.parametrize(
    ("sequence", "bar", "expected"),
    [
        (LONG, None, (61, 2, False)),  # the first window with a note
        (LONG, 4, (63, 4, False)),
        (LONG.select(LONG.pitch == 61), None, (61, 2, True)),
        (LONG.select(LONG.pitch == 61), 2, (61, 2, False)),
    ],
)
def test_excerpt_is_the_window_that_the_model_reads(
    model: TrainedModel, sequence: NoteSequence, bar: int | None, expected: tuple[int, int, bool]
) -> None:
    excerpt = model.excerpt(sequence, bar=bar)
    assert (excerpt.events[0] + 58, excerpt.bar, excerpt.whole) == expected
    assert (excerpt.name, excerpt.qpm) == ("the tune", 77)


def test_track_is_chosen_by_number_or_name(model: TrainedModel, tune: NoteSequence) -> None:
    second = [note._replace(pitch=note.pitch + 1, track=1) for note in tune.notes[:2]]
    both = replace(NoteSequence.from_notes([*tune.notes[:3], *second]), track_names=("a", "b"))
    assert [model.excerpt(both, track=track).events[0] for track in (None, 1, "b")] == [2, 3, 3]


@pytest.mark.parametrize(
    ("content", "error", "problem"),
    [
        (b"", MidiError, r"tune\.mid is empty"),
        (b"RIFF", MidiError, r"tune\.mid is not a MIDI file"),
        (None, FileNotFoundError, r"tune\.mid"),
    ],
)
def test_file_that_cannot_be_read_is_told_by_its_name(
    model: TrainedModel, tmp_path: Path, content: bytes | None, error: type[Exception], problem: str
) -> None:
    if content is not None:
        (tmp_path / "tune.mid").write_bytes(content)
    with pytest.raises(error, match=problem):
        model.encode([tmp_path / "tune.mid"])


@pytest.mark.parametrize(
    ("sequence", "problem"),
    [
        (NoteSequence.from_notes([]), r"tune\.mid: there is no note in it"),
        (NoteSequence.from_notes([Note(36, 0, 1, is_drum=True)]), r"tune\.mid: no track is a melody"),
        (NoteSequence.from_notes([Note(60, 0, 1)], time_signature=(3, 4)), r"tune\.mid: no bar of the tune fits 4/4"),
    ],
)
def test_tune_without_a_window_is_told_by_its_name(
    model: TrainedModel, tmp_path: Path, sequence: NoteSequence, problem: str
) -> None:
    write_midi(sequence, tmp_path / "tune.mid")
    with pytest.raises(ValueError, match=problem):
        model.encode([tmp_path / "tune.mid"])


# Decoding


def test_decoding_at_temperature_zero_is_argmax_whatever_the_seed(model: TrainedModel) -> None:
    z = torch.eye(4) * 2
    made = model.decode(z, temperature=0)
    assert made == model.decode(z.numpy(), temperature=0, seed=5) == model.decode(z.tolist(), temperature=0, seed=6)
    events = model.vae.decode(z, temperature=0.0).numpy()
    assert made == [model.representation.from_events(row) for row in events]


@pytest.mark.parametrize(("qpm", "tempos"), [(90.0, [90, 90]), ([60, 130.5], [60, 130.5])])
def test_tempo_is_one_for_all_or_one_for_each(
    model: TrainedModel, qpm: float | list[float], tempos: list[float]
) -> None:
    assert [made.tempos for made in model.decode(np.zeros((2, 4)), qpm=qpm)] == [(Tempo(0, tempo),) for tempo in tempos]


@pytest.mark.parametrize("z", [np.zeros(4), np.zeros((2, 3)), np.full((1, 4), np.nan), np.full((1, 4), np.inf)])
def test_what_is_no_latent_point_is_refused(model: TrainedModel, z: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"z must be finite and of shape \(N, 4\)"):
        model.decode(z)


@pytest.mark.parametrize("temperature", [-0.1, float("nan"), float("inf")])
def test_temperature_that_is_none_is_refused(model: TrainedModel, temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature is"):
        model.sample(1, temperature=temperature)


def test_reconstruction_decodes_the_posterior_mean_at_the_tunes_tempo(
    model: TrainedModel, tune: NoteSequence, other_tune: NoteSequence
) -> None:
    z = np.stack([posterior_mean(model, tune), posterior_mean(model, other_tune)])
    made = model.reconstruct([tune, other_tune], temperature=0)
    assert made == model.decode(z, temperature=0, qpm=[90, 140])
    assert [tune.qpm for tune in model.reconstruct([tune, other_tune], qpm=70)] == [70, 70]


def test_interpolation_goes_along_the_great_circle_between_both_means(
    model: TrainedModel, tune: NoteSequence, other_tune: NoteSequence
) -> None:
    a, b = (torch.from_numpy(posterior_mean(model, end)) for end in (tune, other_tune))
    points = torch.stack([slerp(a, b, share) for share in (0, 0.25, 0.5, 0.75, 1)])
    made = model.interpolate(tune, other_tune, 5, temperature=0)
    assert made == model.decode(points, temperature=0, qpm=90)
    assert [made[0], made[-1]] == model.reconstruct([tune, other_tune], temperature=0, qpm=90)


def test_path_has_its_points_at_equal_shares(model: TrainedModel) -> None:
    a, b = torch.tensor([1.0, 0, 0, 0]), torch.tensor([0, 2.0, 0, 0])
    expected = torch.stack([slerp(a, b, share) for share in (0, 0.25, 0.5, 0.75, 1)])
    torch.testing.assert_close(model.path(a, b, 5), expected)


@pytest.mark.parametrize("n", [1, 0, -3])
def test_interpolation_has_at_least_its_two_ends(model: TrainedModel, tune: NoteSequence, n: int) -> None:
    with pytest.raises(ValueError, match=f"n is {n}"):
        model.interpolate(tune, tune, n)


def test_similar_tunes_lie_between_a_draw_of_the_prior_and_the_tune(model: TrainedModel, tune: NoteSequence) -> None:
    mean = torch.from_numpy(posterior_mean(model, tune))

    def near(similarity: float) -> torch.Tensor:
        return model.near(mean, 3, similarity, torch.Generator().manual_seed(1))

    draws = near(0.0)
    assert not torch.equal(draws[0], draws[1])
    torch.testing.assert_close(near(1.0), mean.expand(3, 4))
    halfway = torch.stack([slerp(draw, mean, 0.5) for draw in draws])
    torch.testing.assert_close(near(0.5), halfway)
    made = model.similar(tune, 3, similarity=0.5, temperature=0, seed=1)
    assert made == model.decode(halfway, temperature=0, qpm=90)


@pytest.mark.parametrize(("n", "similarity"), [(0, 0.5), (-1, 0.5), (1, -0.1), (1, 1.1), (1, float("nan"))])
def test_similarity_out_of_range_is_refused(model: TrainedModel, tune: NoteSequence, n: int, similarity: float) -> None:
    with pytest.raises(ValueError, match=f"n is {n}, similarity {similarity}"):
        model.similar(tune, n, similarity=similarity)


# Sampling


@pytest.mark.parametrize("n", [0, -1])
def test_at_least_one_sample_must_be_asked_for(model: TrainedModel, n: int) -> None:
    with pytest.raises(ValueError, match=f"n is {n}; at least 1"):
        model.sample(n)


def test_sample_without_a_note_is_drawn_again_and_counted(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder here is silent where the first latent coordinate is negative, for half of all draws."""

    def decode(z: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.where(z[:, :1] < 0, 0, 5).expand(-1, 8)

    monkeypatch.setattr(model.vae, "decode", decode)
    made, redrawn = model.sample_counting(20, seed=3)
    assert len(made) == 20
    assert all(len(tune) for tune in made)
    assert 5 <= redrawn <= 60


def test_long_sample_goes_on_a_great_circle_from_draw_to_draw(model: TrainedModel) -> None:
    tune = model.sample(1, windows=5, temperature=0, seed=2)[0]
    draw = torch.Generator().manual_seed(2)
    start, end = torch.randn(1, 4, generator=draw)[0], torch.randn(1, 4, generator=draw)[0]
    z = slerp(start, end, torch.linspace(0, 1, 5, dtype=torch.float64))
    assert tune == concatenate(model.decode(z, temperature=0))
    assert tune.end_time == 5 * 4


def test_sample_of_one_window_is_the_plain_sample(model: TrainedModel) -> None:
    assert model.sample(3, windows=1, seed=4) == model.sample(3, seed=4)


@pytest.mark.parametrize("windows", [0, -1])
def test_long_sample_has_at_least_one_window(model: TrainedModel, windows: int) -> None:
    with pytest.raises(ValueError, match=f"windows is {windows}; at least 1"):
        model.sample(1, windows=windows)


def test_model_that_is_always_silent_gives_up(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.vae, "decode", lambda z, *_: torch.zeros(len(z), 8, dtype=torch.int64))
    made, redrawn = model.sample_counting(2, seed=3)
    assert [len(tune) for tune in made] == [0, 0]
    assert redrawn == 2 * trained_model.REDRAWS


# The model itself


def test_saved_model_makes_the_same_music(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "saved")
    loaded = pretrained.load(tmp_path / "saved")
    assert loaded.sample(3, temperature=1.0, seed=1) == model.sample(3, temperature=1.0, seed=1)
    assert (loaded.name, loaded.config) == ("saved", model.config)


def test_model_in_half_precision_is_read_and_plays(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path, half=True)
    assert len(pretrained.load(tmp_path).sample(2, seed=1)) == 2


def test_sixteen_bar_hierarchical_model_makes_music_too(tiny: Config, tune: NoteSequence) -> None:
    architecture = replace(tiny.model, encoder="hierarchical", decoder="hierarchical", segments=16)
    config = replace(tiny, representation=replace(tiny.representation, bars=16), model=architecture)
    model = TrainedModel(MusicVAE(config).eval(), "long")
    assert [made.end_time for made in model.reconstruct([tune])] == [64]


def test_repr_names_model_representation_and_size(model: TrainedModel) -> None:
    assert repr(model).startswith("TrainedModel('tiny', MelodyConfig(name='melody', bars=1, ")
    assert repr(model).endswith(f" {model.vae.num_parameters:,} parameters)")


def test_excerpt_is_its_own_excerpt(model: TrainedModel, tune: NoteSequence) -> None:
    excerpt = model.excerpt(tune)
    assert isinstance(excerpt, Excerpt)
    assert model.excerpt(copy.copy(excerpt)).events is excerpt.events
