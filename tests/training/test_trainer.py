from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from musevae import checkpoint
from musevae.checkpoint import CheckpointError, load_config, read_tensors
from musevae.config import Config, ConfigError
from musevae.music.shards import DatasetError
from musevae.training.datasets import open_dataset, spread
from musevae.training.evaluate import evaluate
from musevae.training.run import train
from musevae.training.trainer import DivergedError, Progress, Trainer, TrainResult
from musevae.vaes import MusicVAE, load_model

LAST, PREVIOUS = Path("last", "state.safetensors"), Path("last", "previous.safetensors")
HIERARCHICAL = ("model.encoder=hierarchical", "model.decoder=hierarchical", "model.segments=4")
COSINE = ("train.learning_rate_schedule=cosine", "train.warmup_steps=3", "train.beta_warmup_steps=6")
DROPOUT = ("model.dropout=0.3",)
SCHEDULED = ("train.sampling=inverse_sigmoid", "train.sampling_rate=2", "train.free_bits=1")
MakeDataset = Callable[..., Path]


class Killed(BaseException):
    """Stands for whatever ends a process in the middle of anything."""


def state(run: Path) -> dict[str, Tensor]:
    return read_tensors(run / LAST)[0]


def log(run: Path, kind: str = "train") -> list[dict[str, Any]]:
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry for line in lines if (entry := json.loads(line))["kind"] == kind]


def losses(run: Path) -> list[tuple[int, float, float]]:
    return [(entry["step"], entry["loss"], entry["gradient_norm"]) for entry in log(run)]


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether all tensors are the same to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def same_runs(one: Path, other: Path) -> bool:
    """Whether weights, moments, counters and every loss are the same to the last bit."""
    counters = read_tensors(one / LAST)[1] == read_tensors(other / LAST)[1]
    return counters and same(state(one), state(other)) and losses(one) == losses(other)


def kill_at(step: int) -> Progress:
    def progress(figures: Mapping[str, float], steps: int) -> None:
        if figures["step"] == step:
            raise Killed

    return progress


def signal_at(step: int, number: signal.Signals) -> Progress:
    def progress(figures: Mapping[str, float], steps: int) -> None:
        if figures["step"] == step:
            os.kill(os.getpid(), number)

    return progress


@pytest.fixture(scope="module")
def whole(tiny: Config, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a tiny model trained without interruption, which no test changes."""
    return train(tiny, dataset, tmp_path_factory.mktemp("shared") / "whole").run


# Resuming


@pytest.mark.parametrize("settings", [HIERARCHICAL, SCHEDULED, COSINE, ("train.skip_norm=1.5",), DROPOUT])
def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    tiny: Config, dataset: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    """Dropout once came from torch's global generator, of which a resumed run knew nothing."""
    train(tiny, dataset, tmp_path / "whole", settings=settings)
    train(tiny, dataset, tmp_path / "halves", settings=settings, steps=4)
    result = train(tiny, dataset, tmp_path / "halves", resume=True)
    assert result.finished
    assert result.step == 8
    assert same_runs(tmp_path / "whole", tmp_path / "halves")
    assert log(tmp_path / "whole", "validation") == log(tmp_path / "halves", "validation")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_after_the_step_with_a_checkpoint(
    tiny: Config, dataset: Path, whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    stopped = train(tiny, dataset, tmp_path / "run", progress=signal_at(3, number))
    assert (stopped.step, stopped.finished) == (3, False)
    assert signal.getsignal(number) == before
    assert train(tiny, dataset, tmp_path / "run", resume=True).finished
    assert same(state(tmp_path / "run"), state(whole))
    assert losses(tmp_path / "run") == losses(whole)


def test_second_signal_kills_at_once(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    def twice(figures: Mapping[str, float], steps: int) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tiny, dataset, tmp_path / "run", progress=twice)


def test_run_killed_between_checkpoints_goes_on_from_the_last(
    tiny: Config, dataset: Path, whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train(tiny, dataset, tmp_path / "run", progress=kill_at(5))
    assert len(losses(tmp_path / "run")) == 5  # one step further than the checkpoint
    train(tiny, dataset, tmp_path / "run", resume=True)
    assert losses(tmp_path / "run") == losses(whole)
    assert same(state(tmp_path / "run"), state(whole))


@pytest.mark.parametrize("write", range(11))
def test_run_killed_while_a_file_is_written_is_whole_or_absent(
    tiny: Config, make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """Without validation each checkpoint writes four files: a model folder, then what resuming needs.

    The last takes its name in one renaming, from the second checkpoint on in two.
    """
    data, run, written, replace_file = make_dataset(12, 0), tmp_path / "run", iter(range(100)), os.replace

    def replace_or_die(temporary: str, path: Path) -> None:
        if next(written) == write:
            raise Killed
        replace_file(temporary, path)

    monkeypatch.setattr(os, "replace", replace_or_die)
    with pytest.raises(Killed):
        train(tiny, data, run, steps=4)
    assert not list(run.rglob("*.part"))
    train(tiny, data, run, steps=4, resume=write >= 4)
    train(tiny, data, tmp_path / "whole", steps=4)
    assert same(state(run), state(tmp_path / "whole"))
    assert load_model(run).config == load_model(tmp_path / "whole").config


def test_resumed_run_that_skipped_every_step_so_far_goes_on(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    """The optimiser has no moments before its first step; their absence was once taken for damage."""
    train(tiny, dataset, tmp_path / "run", steps=2, settings=["train.skip_norm=0"])
    assert train(tiny, dataset, tmp_path / "run", resume=True, settings=["train.skip_norm=1e4"]).step == 8
    assert log(tmp_path / "run")[-1]["skipped"] == 2


def test_finished_run_can_be_prolonged_and_a_finished_one_resumed(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "run")
    before = state(tmp_path / "run")
    assert train(tiny, dataset, tmp_path / "run", resume=True).step == 8
    assert same(state(tmp_path / "run"), before)
    assert train(tiny, dataset, tmp_path / "run", steps=10, resume=True).step == 10


def test_resumed_run_keeps_its_seed_and_its_provenance(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    """A run started with --seed 5 once said of itself, when it had been resumed, that its seed was 0."""
    train(tiny, dataset, tmp_path / "base", steps=1)
    train(tiny, dataset, tmp_path / "whole", seed=5, init_from=tmp_path / "base", provenance={"licence": "CC0"})
    train(tiny, dataset, tmp_path / "run", seed=5, init_from=tmp_path / "base", provenance={"licence": "CC0"}, steps=4)
    result = train(tiny, dataset, tmp_path / "run", resume=True)
    assert result.seed == 5
    assert load_config(tmp_path / "run").provenance == load_config(tmp_path / "whole").provenance
    assert same_runs(tmp_path / "run", tmp_path / "whole")


def test_resumed_run_keeps_its_settings_but_for_those_given_anew(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "run", steps=2, settings=["train.beta=0.5", "train.free_bits=3"])
    train(tiny, dataset, tmp_path / "run", resume=True, settings=["train.free_bits=4"])
    kept = load_config(tmp_path / "run" / "last").train
    assert (kept.beta, kept.free_bits) == (0.5, 4)
    assert log(tmp_path / "run")[-1]["beta"] == 0.5


def test_run_of_another_preset_is_not_resumed(tiny: Config, dataset: Path, whole: Path) -> None:
    with pytest.raises(CheckpointError, match="is a run of tiny, not of other: name that preset to resume it"):
        train(replace(tiny, preset="other"), dataset, whole, resume=True)


def test_more_steps_than_the_presets_lay_its_schedules_out_longer(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "more", settings=COSINE, steps=12)
    train(tiny, dataset, tmp_path / "set", settings=[*COSINE, "train.steps=12"])
    assert same_runs(tmp_path / "more", tmp_path / "set")
    assert len(losses(tmp_path / "more")) == 12


# Seeds and starting points


def test_seed_reproduces_a_run_and_another_gives_another(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "again", "other")]
    for run, seed in zip(runs, (1, 1, 2), strict=True):
        train(tiny, dataset, run, seed=seed, steps=3)
    assert same_runs(runs[0], runs[1])
    assert losses(runs[0]) != losses(runs[2])


def test_fine_tuning_starts_from_the_weights_of_another_model(
    tiny: Config, dataset: Path, tmp_path: Path, vae: MusicVAE
) -> None:
    vae.save_pretrained(tmp_path / "base")
    train(tiny, dataset, tmp_path / "run", steps=0, init_from=tmp_path / "base")
    tuned = load_model(tmp_path / "run")
    assert same(tuned.state_dict(), vae.state_dict())
    assert tuned.config.provenance["init_from"] == "base"


def test_fine_tuning_from_another_architecture_is_refused(
    tiny: Config, dataset: Path, tmp_path: Path, vae: MusicVAE
) -> None:
    vae.save_pretrained(tmp_path / "base")
    with pytest.raises(CheckpointError, match="base: its weights do not fit"):
        train(tiny, dataset, tmp_path / "run", settings=["model.z_size=5"], init_from=tmp_path / "base")


# What a run leaves


@pytest.fixture
def result(tiny: Config, dataset: Path, tmp_path: Path) -> TrainResult:
    return train(tiny, dataset, tmp_path / "run", settings=["train.beta=0.5"], provenance={"licence": "CC0"})


def test_run_folder_is_a_model_folder_that_says_where_it_comes_from(result: TrainResult) -> None:
    config = load_model(result.run).config
    assert config.train.beta == 0.5
    best = min(log(result.run, "validation"), key=lambda entry: float(entry["loss"]))
    assert config.provenance == {
        **{"data": ["random"], "licence": "CC0", "seed": 0},
        **{"steps": best["step"], "validation_loss_nats": best["loss"]},
    }
    assert result.validation_loss == best["loss"]


def test_model_of_a_run_is_the_best_by_validation(dataset: Path, tiny: Config, tmp_path: Path) -> None:
    """A learning rate that grows too large makes the later checkpoints worse than the first."""
    settings = ["train.learning_rate=10", "train.warmup_steps=8", "train.clip_norm=1000"]
    result = train(tiny, dataset, tmp_path / "run", settings=settings)
    entries = log(result.run, "validation")
    assert [entry["step"] for entry in entries] == [2, 4, 6, 8]
    best = min(entries, key=lambda entry: float(entry["loss"]))
    assert best["step"] < 8
    figures = evaluate(load_model(result.run), open_dataset(dataset)["validation"].events)
    assert figures["kl_nats"] == pytest.approx(best["kl"], rel=1e-5)


def test_validation_loss_is_the_training_loss_at_its_final_beta(result: TrainResult) -> None:
    for entry in log(result.run, "validation"):
        assert entry["loss"] == pytest.approx(entry["reconstruction"] + 0.5 * entry["kl"], rel=1e-5)


def test_log_has_a_line_for_each_log_step(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    reported: list[dict[str, Any]] = []

    def report(figures: Mapping[str, float], steps: int) -> None:
        reported.append({"kind": "train", **figures} if steps == 8 else {})

    settings = ["train.log_every=3", "train.beta=0.5", "train.beta_warmup_steps=16", "train.learning_rate=0.01"]
    train(tiny, dataset, tmp_path / "run", settings=settings, progress=report)
    entries = log(tmp_path / "run")
    assert [entry["step"] for entry in entries] == [3, 6, 8]
    assert [entry["beta"] for entry in entries] == pytest.approx([0.5 * 3 / 16, 0.5 * 6 / 16, 0.5 * 8 / 16])
    assert reported == entries


def test_logged_loss_is_the_mean_of_the_steps_since_the_last(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "each")
    train(tiny, dataset, tmp_path / "fourth", settings=["train.log_every=4"])
    each = [entry["loss"] for entry in log(tmp_path / "each")]
    means = [entry["loss"] for entry in log(tmp_path / "fourth")]
    assert means == pytest.approx([sum(each[:4]) / 4, sum(each[4:]) / 4], rel=1e-6)


def test_run_without_validation_windows_keeps_its_last_weights(
    tiny: Config, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    """Nothing to validate on once counted as a loss of 0, which no later checkpoint could be better than."""
    result = train(tiny, make_dataset(12, 0), tmp_path / "run")
    last = {name.removeprefix("model."): value for name, value in state(result.run).items() if "model." in name}
    assert same(load_model(result.run).state_dict(), last)
    assert result.validation_loss is None


def test_first_step_is_adams_with_a_clipped_gradient(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "start", steps=0)
    train(tiny, dataset, tmp_path / "step", steps=1, settings=["train.clip_norm=0.5"])
    before, after = state(tmp_path / "start"), state(tmp_path / "step")
    gradients = {name[8:]: moment / 0.1 for name, moment in after.items() if name.startswith("exp_avg.")}
    for name, gradient in gradients.items():
        moved = after[f"model.{name}"] - before[f"model.{name}"]
        torch.testing.assert_close(moved, -1e-3 * gradient / (gradient.abs() + 1e-8), rtol=1e-3, atol=1e-6)
    assert sum(float(gradient.square().sum()) for gradient in gradients.values()) == pytest.approx(0.25, rel=1e-4)
    assert log(tmp_path / "step")[0]["gradient_norm"] > 0.5


def test_absurd_gradient_is_skipped(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    train(tiny, dataset, tmp_path / "run", settings=["train.skip_norm=0"], steps=0)
    before = state(tmp_path / "run")
    train(tiny, dataset, tmp_path / "run", settings=["train.skip_norm=0"], resume=True)
    assert same(state(tmp_path / "run"), before)
    assert log(tmp_path / "run")[-1]["skipped"] == 8


def test_model_learns_a_few_windows_by_heart(tiny: Config, make_dataset: MakeDataset, tmp_path: Path) -> None:
    config = replace(
        tiny,
        model=replace(tiny.model, z_size=8, encoder_sizes=(32,), decoder_sizes=(32,)),
        train=replace(
            tiny.train, batch_size=8, learning_rate=0.04, beta=0.01, transpose=0, log_every=50, validate_every=1000
        ),
    )
    data = make_dataset(8, 0)
    result = train(config, data, tmp_path / "run", steps=120, settings=["train.learning_rate_schedule=cosine"])
    figures = evaluate(load_model(result.run), open_dataset(data)["train"].events)
    assert figures["greedy_accuracy"] > 0.97
    assert figures["greedy_onset_accuracy"] > 0.95
    assert figures["active_units"] > 0


# What cannot be trained


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"preset": "melody-2bars"}, ConfigError, "did you mean melody-2bar"),
        ({"preset": "melody-2bar"}, DatasetError, "prepared for another representation .*--model melody-2bar"),
        ({"settings": ["train.batch_size=13"]}, ValueError, "12 windows, fewer than a batch of 13"),
        ({"settings": ["train.bta=1"]}, ConfigError, r"did you mean train\.beta"),
        ({"settings": ["train.sampling=maybe"]}, ConfigError, "maybe is unknown"),
        ({"device": "tpu"}, ValueError, "'tpu' is not a device: use auto, cpu or cuda"),
        ({"resume": True}, CheckpointError, "run holds no run to resume"),
        ({"init_from": "nowhere"}, CheckpointError, "nowhere is no model folder"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    tiny: Config, dataset: Path, tmp_path: Path, arguments: dict[str, Any], error: type[Exception], problem: str
) -> None:
    defaults: dict[str, Any] = {"preset": tiny, "data": dataset, "run": tmp_path / "run"}
    with pytest.raises(error, match=problem):
        train(**defaults | arguments)


def test_folder_of_a_run_is_not_used_for_another(tiny: Config, dataset: Path, result: TrainResult) -> None:
    with pytest.raises(CheckpointError, match="already holds a run: --resume continues it"):
        train(tiny, dataset, result.run)


@pytest.mark.parametrize("size", [0, 20, 1000])
def test_damaged_state_is_refused_where_there_is_no_other(
    tiny: Config, dataset: Path, result: TrainResult, size: int
) -> None:
    os.truncate(result.run / LAST, size)
    (result.run / PREVIOUS).unlink()
    with pytest.raises(CheckpointError, match=r"state\.safetensors is damaged"):
        train(tiny, dataset, result.run, resume=True)


@pytest.mark.parametrize("lost", ["exp_avg.head.mu.bias", "model.head.mu.bias"])
def test_incomplete_state_is_refused(tiny: Config, dataset: Path, result: TrainResult, lost: str) -> None:
    """Of an earlier version, whose states have no digest."""
    tensors, metadata = read_tensors(result.run / LAST)
    del metadata["sha256"]
    checkpoint.write_tensors(result.run / LAST, {name: t for name, t in tensors.items() if name != lost}, metadata)
    with pytest.raises(CheckpointError, match=r"head\.mu\.bias"):
        train(tiny, dataset, result.run, resume=True)


def test_run_of_another_architecture_is_not_resumed(tiny: Config, dataset: Path, result: TrainResult) -> None:
    with pytest.raises(CheckpointError, match="do not fit"):
        train(tiny, dataset, result.run, settings=["model.z_size=5"], resume=True)


def test_loss_that_is_no_number_stops_the_run_and_the_last_good_checkpoint_stays(
    tiny: Config, dataset: Path, result: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(result.run)
    monkeypatch.setattr("musevae.training.schedules.beta", lambda *_: float("nan"))
    with pytest.raises(
        DivergedError,
        match=r"not finite at step 8 \(loss nan, training windows \d+, \d+, \d+, \d+\): resume .*/run from its last "
        r"checkpoint, last/state\.safetensors of step 8, with a lower --set train\.learning_rate",
    ):
        train(tiny, dataset, result.run, steps=20, resume=True)
    assert same(state(result.run), before)


def test_device_that_is_not_waited_for_stops_at_the_next_line_of_the_log(
    tiny: Config, dataset: Path, result: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps in between change nothing, and the message names the first that went wrong."""
    before = state(result.run)
    monkeypatch.setattr("musevae.training.trainer.WAITED_FOR", ())
    monkeypatch.setattr("musevae.training.schedules.beta", lambda config, step: float("nan") if step > 8 else 0.1)
    with pytest.raises(DivergedError, match=r"not finite at step 9 \(loss nan, .* of step 8, with a lower"):
        train(tiny, dataset, result.run, steps=20, resume=True, settings=["train.log_every=4"])
    assert same(state(result.run), before)


@pytest.mark.parametrize("waited_for", ["cpu", ""])
def test_run_is_the_same_whenever_its_figures_are_looked_at(
    tiny: Config, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited_for: str
) -> None:
    """Steps that are left out among them: the limit is a norm in the middle."""
    train(tiny, dataset, tmp_path / "all", settings=["train.log_every=1"])
    norms = sorted(line["gradient_norm"] for line in log(tmp_path / "all") if line["kind"] == "train")
    settings = [f"train.skip_norm={norms[len(norms) // 2]}"]
    train(tiny, dataset, tmp_path / "here", settings=settings)
    monkeypatch.setattr("musevae.training.trainer.WAITED_FOR", (waited_for,))
    train(tiny, dataset, tmp_path / "there", settings=settings)
    assert same(state(tmp_path / "here"), state(tmp_path / "there"))
    skipped = [log(tmp_path / run)[-1]["skipped"] for run in ("here", "there")]
    assert skipped[0] == skipped[1]
    assert 0 < skipped[0] < 8


def test_run_that_diverges_before_its_first_checkpoint_is_started_again(
    tiny: Config, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musevae.training.schedules.beta", lambda *_: float("nan"))
    with pytest.raises(DivergedError, match=r"at step 0 .*: start again with a lower"):
        train(tiny, dataset, tmp_path / "run")


@pytest.mark.parametrize(("processes", "asked"), [(1, [0, 1, 2, 8, 9]), (2, [0, 8])])
def test_several_processes_ask_each_other_to_stop_every_few_steps_only(processes: int, asked: list[int]) -> None:
    """All wait for the answer, which on GPUs is what a step must not do."""
    stop, found = threading.Event(), []
    stop.set()
    trainer = SimpleNamespace(device=None, world=SimpleNamespace(size=processes, any=lambda flag, device: flag))
    for trainer.step in (0, 1, 2, 8, 9):
        found += [trainer.step] if Trainer._stopped(cast(Trainer, trainer), stop) else []
    assert found == asked


def test_validation_windows_are_spread_over_the_split() -> None:
    events = torch.arange(10)
    assert [spread(events, n).tolist() for n in (1, 2, 4, 99)] == [[0], [0, 9], [0, 3, 6, 9], list(range(10))]
    assert len(spread(events, 0)) == len(spread(events[:0], 5)) == 0


def test_training_in_a_thread_leaves_the_signals_alone(tiny: Config, dataset: Path, tmp_path: Path) -> None:
    results: list[TrainResult] = []
    thread = threading.Thread(target=lambda: results.append(train(tiny, dataset, tmp_path / "run", steps=1)))
    thread.start()
    thread.join()
    assert results[0].finished
