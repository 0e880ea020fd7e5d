from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from musevae.config import ConfigError
from musevae.music.melody import MelodyRepresentation
from musevae.music.shards import DatasetError
from musevae.music.trio import TrioRepresentation
from musevae.presets import preset
from musevae.training.datasets import Batches, drop_drums, open_dataset, seeded, trainable, transpose

CPU = torch.device("cpu")
EVENTS = torch.arange(10, dtype=torch.uint8)[:, None].expand(10, 3)  # the window i is (i, i, i)


def test_dataset_is_opened_by_split(dataset: Path) -> None:
    splits = open_dataset(dataset)
    assert {name: len(split) for name, split in splits.items()} == {"train": 12, "validation": 6, "test": 0}
    assert (splits["train"].events.dtype, splits["train"].events.shape) == (torch.uint8, (12, 8))
    assert splits["train"][3].dtype == torch.int64
    assert splits["train"][3].tolist() == splits["train"].events[3].tolist()


def test_dataset_in_memory_is_apart_from_its_files(make_dataset: Callable[..., Path]) -> None:
    folder = make_dataset()
    open_dataset(folder)["train"].events[:] = 0
    assert open_dataset(folder)["train"].events.any()


def test_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no dataset"):
        open_dataset(tmp_path)


def batches(batch_size: int, seed: int = 1, examples: int = 10) -> Batches:
    return Batches(examples, batch_size, seed, torch.device("cpu"))


def rows(found: Batches, steps: range) -> list[list[int]]:
    return [found.indices(step).tolist() for step in steps]


def test_epoch_shows_each_window_once_and_the_next_in_another_order() -> None:
    found = batches(5)
    first, second = rows(found, range(2)), rows(found, range(2, 4))
    assert sorted(itertools.chain(*first)) == sorted(itertools.chain(*second)) == list(range(10))
    assert first != second
    assert found.indices(0).dtype == torch.int64


def test_remainder_is_left_out_and_not_the_same_in_every_epoch() -> None:
    found = batches(4)
    epochs = [set(itertools.chain(*rows(found, range(epoch, epoch + 2)))) for epoch in range(0, 40, 2)]
    assert all(len(epoch) == 8 for epoch in epochs)
    assert set.union(*epochs) == set(range(10))


def test_batch_depends_on_seed_and_step_alone() -> None:
    in_order, anyhow = batches(3), batches(3)
    expected = rows(in_order, range(9))
    assert [anyhow.indices(step).tolist() for step in reversed(range(9))] == expected[::-1]
    assert rows(batches(3, seed=2), range(9)) != expected


@pytest.mark.parametrize(("count", "batch_size"), [(10, 11), (0, 1), (0, 512)])
def test_dataset_smaller_than_a_batch_is_refused_with_the_remedy(count: int, batch_size: int) -> None:
    remedy = f"{count} windows, fewer than a batch of {batch_size}: .*--set train.batch_size={max(1, count)}"
    with pytest.raises(ValueError, match=remedy):
        batches(batch_size, examples=count)


def test_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        batches(0)


@pytest.mark.parametrize(
    ("seeds", "equal"), [((1, 2), True), ((2, 1), False), ((1, 3), False), ((1,), False), ((-1, 2), False)]
)
def test_generator_depends_on_all_its_seeds(seeds: tuple[int, ...], equal: bool) -> None:
    assert (
        torch.equal(torch.rand(4, generator=seeded(CPU, *seeds)), torch.rand(4, generator=seeded(CPU, 1, 2))) is equal
    )


# Transposition

OCTAVE = MelodyRepresentation(min_pitch=60, max_pitch=71)  # 14 classes


def shifts(before: Tensor, after: Tensor) -> list[int]:
    """By how much each window was moved, all its notes alike and nothing else."""
    struck = before >= 2
    assert torch.equal(after[~struck], before[~struck])
    moved = [set((after - before)[row][struck[row]].tolist()) for row in range(len(before))]
    assert all(len(by) <= 1 for by in moved)
    return [by.pop() if by else 0 for by in moved]


@given(st.lists(st.lists(st.integers(0, 13), min_size=4, max_size=4), min_size=1, max_size=8), st.integers(0, 20))
def test_transposition_keeps_intervals_and_stays_in_range(windows: list[list[int]], semitones: int) -> None:
    events = torch.tensor(windows)
    moved = transpose(events, semitones, OCTAVE, Generator().manual_seed(0))
    assert all(abs(by) <= semitones for by in shifts(events, moved))
    assert ((moved >= 2) == (events >= 2)).all()
    assert int(moved.max()) < 14


def test_every_window_is_moved_by_its_own_draw_each_as_likely() -> None:
    events = torch.full((7000, 2), 40)
    counts = (
        torch.tensor(shifts(events, transpose(events, 3, MelodyRepresentation(), Generator().manual_seed(0))))
        .add(3)
        .bincount()
    )
    assert len(counts) == 7
    assert (counts - 1000).abs().max() < 150  # five standard deviations of 29


def test_no_transposition_changes_nothing() -> None:
    events = torch.arange(14).reshape(2, 7)
    assert torch.equal(transpose(events, 0, OCTAVE, Generator()), events)


def test_trios_move_melody_and_bass_together_and_leave_the_drums() -> None:
    trio = TrioRepresentation(min_pitch=60, max_pitch=71)
    draw = Generator().manual_seed(0)
    events = torch.cat([torch.randint(0, 14, (50, 6, 2), generator=draw), torch.randint(0, 512, (50, 6, 1))], dim=2)
    moved = transpose(events, 5, trio, draw)
    assert torch.equal(moved[..., 2], events[..., 2])
    assert len(set(shifts(events[..., :2].flatten(1), moved[..., :2].flatten(1)))) > 3
    assert int(moved[..., :2].max()) < 14


def test_drums_are_dropped_whole_each_window_by_its_own_draw() -> None:
    events = torch.ones(4000, 3, 9, dtype=torch.int64)
    dropped = drop_drums(events, 0.25, Generator().manual_seed(0))
    assert torch.equal(dropped.amin(1), dropped.amax(1))  # all steps or none
    assert dropped.float().mean().item() == pytest.approx(0.75, abs=0.01)
    assert len(dropped[:, 0].unique(dim=0)) > 100
    assert torch.equal(drop_drums(events, 0.0, Generator()), events)


@pytest.mark.parametrize(
    ("preset_name", "setting", "problem"),
    [
        ("drums-2bar", "train.transpose=3", "drums have no pitch"),
        ("melody-2bar", "train.drop_drums=0.1", "only drums as bits"),
        ("cat-drums_2bar_small", "train.drop_drums=0.1", "only drums as bits"),
        ("cat-mel_2bar_med_chords", "train.beta=1", "a control at each step"),
        ("groovae_4bar", "train.beta=1", "no music yet"),
    ],
)
def test_what_cannot_be_trained_is_refused(preset_name: str, setting: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        trainable(preset(preset_name, [setting]))
