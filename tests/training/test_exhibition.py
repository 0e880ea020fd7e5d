from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musevae.config import Config
from musevae.presets import representation
from musevae.training import exhibition, run_log
from musevae.training.profiling import TRACE
from musevae.training.run import train


class Board:
    """Stands for TensorBoard's SummaryWriter: what was added, by name."""

    def __init__(self) -> None:
        self.added: dict[str, Any] = {}
        self.steps: set[int] = set()

    def add_images(self, name: str, images: Any, step: int, dataformats: str) -> None:  # noqa: ANN401
        assert dataformats == "NHWC"
        self.added[name] = images
        self.steps.add(step)

    def add_audio(self, name: str, sound: Any, step: int, sample_rate: int) -> None:  # noqa: ANN401
        self.added[name] = sound

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.added[name] = value

    def close(self) -> None:
        pass


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board()
    monkeypatch.setattr(run_log, "tensorboard", lambda run: board)
    return board


def test_each_validation_shows_reconstructions_and_samples(
    tiny: Config, dataset: Path, tmp_path: Path, board: Board
) -> None:
    train(tiny, dataset, tmp_path / "run", steps=4)
    assert board.steps == {2, 4}
    assert board.added["sample"].shape == (4, 264, 48, 3)
    assert board.added["reconstruction"].shape == (4, 264 * 2 + 6, 48, 3)
    assert board.added["sample/0"].shape == (1, 22050)
    assert {"train/loss", "train/kl", "validation/loss"} <= board.added.keys()


def test_a_window_is_drawn_above_its_reconstruction(tiny: Config, vae: Any, dataset: Path) -> None:  # noqa: ANN401
    windows = torch.tensor([[2, 0, 0, 0, 1, 0, 0, 0]])
    board = Board()
    exhibition.show(board, vae, representation(tiny.representation), windows, 1)
    (image,) = board.added["reconstruction"]
    note = (107 - 60 + 1) * 3  # the row of pitch 60
    assert (np.flatnonzero((image[note] != 255).any(-1)) == range(24)).all()  # half the bar


def test_without_held_out_windows_there_are_samples_alone(tiny: Config, vae: Any) -> None:  # noqa: ANN401
    board = Board()
    exhibition.show(board, vae, representation(tiny.representation), torch.zeros(0, 8, dtype=torch.uint8), 1)
    assert set(board.added) == {"sample", "sample/0", "sample/1"}


def test_what_is_shown_changes_nothing_of_the_run(
    tiny: Config, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tiny, dataset, tmp_path / "with", steps=4)
    monkeypatch.setattr(run_log, "tensorboard", lambda run: None)
    train(tiny, dataset, tmp_path / "without", steps=4)
    first, second = ((tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("with", "without"))
    assert [line.split('"examples')[0] for line in first] == [line.split('"examples')[0] for line in second]


def test_a_profile_is_a_trace_and_a_table(tiny: Config, dataset: Path, tmp_path: Path, board: Board) -> None:
    result = train(tiny, dataset, tmp_path / "run", settings=["train.validate_every=100"], profile=True)
    assert "Recurrence" in result.profile
    assert '"traceEvents"' in (tmp_path / "run" / TRACE).read_text()


def test_a_run_too_short_for_a_profile_is_refused(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a profile takes 8 steps, .* the run has 7 to go: choose more --steps"):
        train(tiny, dataset, tmp_path / "run", profile=True, steps=7)
    assert not (tmp_path / "run").exists()
