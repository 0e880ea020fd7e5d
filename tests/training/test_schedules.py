from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from musevae.config import ConfigError, TrainConfig
from musevae.training.schedules import beta, learning_rate, sampling_probability, warmup

MAGENTA = TrainConfig(beta=0.2, beta_rate=0.99999, sampling="inverse_sigmoid", sampling_rate=1000)
COSINE = TrainConfig(steps=100, learning_rate=1.0, min_learning_rate=0.2, learning_rate_schedule="cosine")


@pytest.mark.parametrize("step", [0, 1, 1000, 50_000, 199_999])
def test_magentas_schedules(step: int) -> None:
    """The formulas of MUSICVAE.md 1.7."""
    assert learning_rate(MAGENTA, step, MAGENTA.steps) == pytest.approx(1e-5 + (1e-3 - 1e-5) * 0.9999**step)
    assert beta(MAGENTA, step) == pytest.approx(0.2 * (1 - 0.99999**step))
    k = 1000
    expected = 1 - k / (k + math.exp(step / k))
    assert sampling_probability(MAGENTA, step) == pytest.approx(expected, abs=1e-12)


def test_beta_without_rate_is_zero_at_the_first_step_only() -> None:
    assert [beta(TrainConfig(beta=0.5), step) for step in (0, 1, 100)] == [0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1.0), (25, 0.6 + 0.4 / math.sqrt(2)), (50, 0.6), (100, 0.2), (999, 0.2)]
)
def test_cosine_falls_to_its_minimum_and_stays(step: int, rate: float) -> None:
    assert learning_rate(COSINE, step, COSINE.steps) == pytest.approx(rate)


@pytest.mark.parametrize(("steps", "expected"), [(0, [1, 1, 1, 1]), (2, [0.5, 1, 1, 1]), (4, [0.25, 0.5, 0.75, 1])])
def test_warmup_is_linear(steps: int, expected: list[float]) -> None:
    assert [warmup(step, steps) for step in range(4)] == expected


def test_warmup_multiplies_learning_rate_and_beta() -> None:
    config = replace(COSINE, warmup_steps=10, beta=1.0, beta_warmup_steps=20)
    assert learning_rate(config, 4, config.steps) == pytest.approx(learning_rate(COSINE, 4, COSINE.steps) / 2)
    assert beta(config, 4) == pytest.approx(0.25)


def test_sampling_probability_rises_to_one_without_overflow() -> None:
    probabilities = [sampling_probability(MAGENTA, step) for step in (0, 5_000, 10_000, 10**9)]
    assert probabilities == sorted(probabilities)
    assert probabilities[-1] == pytest.approx(1)
    assert sampling_probability(TrainConfig(), 10**9) == 0


@pytest.mark.parametrize(
    ("schedule", "changes", "problem"),
    [
        (learning_rate, {"learning_rate_schedule": "cosin"}, "cosin is unknown: did you mean .*cosine"),
        (sampling_probability, {"sampling": "inverse"}, "inverse is unknown"),
        (sampling_probability, {"sampling": "inverse_sigmoid", "sampling_rate": 0.0}, "sampling_rate cannot be 0.0"),
    ],
)
def test_unknown_schedule_is_refused(
    schedule: Callable[[TrainConfig, int], float], changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        schedule(TrainConfig(**changes), 0)
