"""Several processes do what one does. Those that really are several are in tests/training/test_processes.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from musevae.config import Config
from musevae.training import distributed
from musevae.training.distributed import Draws, LostProcessError, World
from musevae.training.run import train

WORLDS = [World(rank, 2) for rank in range(2)]


def draw() -> Generator:
    return Generator().manual_seed(1)


def test_rows_of_all_processes_are_the_batch() -> None:
    batch = torch.arange(12).reshape(6, 2)
    assert torch.equal(torch.cat([World(rank, 3).rows(batch) for rank in range(3)]), batch)
    assert torch.equal(World().rows(batch), batch)


@pytest.mark.parametrize("function", [torch.rand, torch.randn])
def test_draws_of_all_processes_are_those_of_one(function: Callable[..., Tensor]) -> None:
    whole = function((6, 3), generator=draw())
    parts = []
    for world in WORLDS:
        generator = draw()
        with Draws(generator, world):
            parts.append(function((3, 3), generator=generator))
    assert torch.equal(torch.cat(parts), whole)


def test_dropout_depends_on_the_generator_alone_and_is_shared_likewise() -> None:
    x, parts = torch.ones(400, 5), []
    for world in [World(), *WORLDS]:
        with Draws(draw(), world):
            parts.append(F.dropout(world.rows(x), 0.25))
    assert torch.equal(parts[0], torch.cat(parts[1:]))
    assert sorted(set(parts[0].flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert parts[0].mean().item() == pytest.approx(1, abs=0.05)


def test_other_generators_and_dropout_in_evaluation_are_left_alone() -> None:
    other = draw()
    with Draws(Generator(), World(1, 2)):
        assert torch.equal(torch.rand((2, 3), generator=other), torch.rand((2, 3), generator=draw()))
        assert F.dropout(torch.ones(4), 0.5, False).tolist() == [1] * 4


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    World(0, 2).check(6)
    problem = "train.batch_size is 64, which 3 processes cannot share equally: .* --set train.batch_size=63"
    with pytest.raises(ValueError, match=problem):
        World(0, 3).check(64)


def test_what_torch_says_of_a_lost_process_is_said_plainly() -> None:
    with pytest.raises(LostProcessError, match=r"process 1 of 2 stopped, .* --resume"), World(1, 2).losses_named():
        raise RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer")
    for world, error in ((World(), "gloo"), (World(1, 2), "shapes do not match")):
        with pytest.raises(RuntimeError, match=error), world.losses_named():
            raise RuntimeError(error)


@pytest.mark.parametrize(
    ("variables", "launched", "rank"),
    [({}, False, 0), ({"RANK": "0", "WORLD_SIZE": "1"}, False, 0), ({"RANK": "1", "WORLD_SIZE": "2"}, True, 1)],
)
def test_processes_are_those_that_torchrun_started(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], launched: bool, rank: int
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (distributed.launched(), distributed.rank()) == (launched, rank)


@pytest.mark.parametrize(
    ("name", "device"), [("cuda", "cuda:3"), ("auto", "cuda:3"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]
)
def test_each_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch, name: str, device: str) -> None:
    for variable, value in {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert str(distributed.own_device(name)) == device


def test_a_run_on_one_process_needs_no_group(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "run", steps=1)
    assert not torch.distributed.is_initialized()
