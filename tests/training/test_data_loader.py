"""EventDataset in torch's own DataLoader."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader

from musevae.music.shards import read_split, write_dataset
from musevae.training.datasets import EventDataset, mapped, open_dataset


def batches(data: EventDataset, workers: int, seed: int = 0) -> list[Tensor]:
    return list(
        DataLoader(data, batch_size=5, shuffle=True, num_workers=workers, generator=Generator().manual_seed(seed))
    )


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12's, of any process with threads
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on a machine of one core
def test_workers_give_what_one_process_gives(dataset: Path) -> None:
    data = open_dataset(dataset)["train"]
    alone, shared = batches(data, 0), batches(data, 2)
    assert [len(batch) for batch in shared] == [5, 5, 2]
    assert all(torch.equal(one, other) for one, other in zip(alone, shared, strict=True))
    assert shared[0].dtype == torch.int64


def test_an_epoch_holds_every_window_once(dataset: Path) -> None:
    data = open_dataset(dataset)["train"]
    epoch = torch.cat(batches(data, 0, seed=1))
    assert sorted(map(tuple, epoch.tolist())) == sorted(map(tuple, data.events.tolist()))
    assert not torch.equal(epoch, data.events.long())


def test_it_is_pickled_whole(dataset: Path) -> None:
    data = open_dataset(dataset)["train"]
    assert torch.equal(pickle.loads(pickle.dumps(data)).events, data.events)


def test_a_split_of_one_file_stays_in_it(make_dataset: Callable[..., Path]) -> None:
    events = read_split(make_dataset(), "train")
    again = mapped(events)
    assert isinstance(again, np.memmap)
    again[:] = 0
    assert events.any()


def test_sixteen_bits_get_a_sign(tmp_path: Path) -> None:
    windows = np.arange(6, dtype=np.uint16).reshape(2, 3)
    manifest: dict[str, Any] = {"representation": {}, "window_shape": [3], "dtype": "uint16", "sources": None}
    write_dataset(tmp_path, {"train": windows, "validation": windows[:0], "test": windows[:0]}, manifest)
    data = open_dataset(tmp_path)["train"]
    assert data.events.dtype == torch.int16
    assert data[1].tolist() == [3, 4, 5]
