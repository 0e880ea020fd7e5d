"""How many threads are chosen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from musevae.presets import image_preset, preset
from musevae.training import threads

BIG = 134_571_098  # parameters of cat-mel_2bar_big


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Eight free cores and no quota."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.3, 8.0, 8.0), raising=False)
    monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "batch", "expected"), [("melody-2bar", 8, 1), ("melody-2bar", 64, 1), ("cat-mel_2bar_small", 512, 8)]
)
def test_threads_are_as_many_as_the_work_is_worth(
    machine: pytest.MonkeyPatch, name: str, batch: int, expected: int
) -> None:
    assert threads.threads(threads.parameters(preset(name)), batch) == expected


def test_small_images_are_worth_one_thread(machine: pytest.MonkeyPatch) -> None:
    assert threads.threads(threads.parameters(image_preset("mnist-mlp")), 64) == 1


@pytest.mark.parametrize(("load", "expected"), [(0.0, 8), (2.9, 5), (8.0, 1), (100.0, 1)])
def test_cores_that_others_use_are_left_to_them(machine: pytest.MonkeyPatch, load: float, expected: int) -> None:
    machine.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    assert threads.threads(BIG, 512) == expected


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8)]
)
def test_container_has_the_cores_of_its_share(machine: pytest.MonkeyPatch, quota: str, expected: int) -> None:
    threads.QUOTA.write_text(quota + "\n")
    assert threads.cores() == expected


def test_process_has_the_cores_it_is_bound_to(machine: pytest.MonkeyPatch) -> None:
    """A share of the load falls on them: the machine's others may be the busy ones."""
    machine.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    machine.setattr(os, "getloadavg", lambda: (4.0, 0.0, 0.0), raising=False)
    assert (threads.cores(), threads.busy()) == (2, 1)
