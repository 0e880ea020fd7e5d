"""Progress bars: on stderr, and only on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tqdm import tqdm

TRAINING_FIGURES = {  # key -> how the bar calls it
    "loss": "loss",
    "kl": "kl",
    "learning_rate": "rate",
    "examples_per_second": "examples/s",
}


@contextmanager
def counting(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar as a function of how many are done and how many there are."""
    with tqdm(unit=unit, leave=False, disable=None) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A bar as a function of what is being trained, the steps taken and those to take: one after another."""
    with tqdm(unit="step", leave=False, disable=None) as bar:

        def advance(stage: str, done: int, total: int) -> None:
            bar.set_description(stage, refresh=False)
            bar.total = total
            bar.update(done - bar.n)

        yield advance


@contextmanager
def training(*, hidden: bool = False) -> Iterator[Callable[[Mapping[str, float], int], None]]:
    """A bar as a function of the figures that the trainer logs and the steps that there will be.

    Its rate counts from the first figures on: a resumed run did not take the steps before.
    """
    with tqdm(unit="step", leave=False, disable=hidden or None) as bar:

        def advance(figures: Mapping[str, float], steps: int) -> None:
            bar.set_postfix({name: f"{figures[key]:.4g}" for key, name in TRAINING_FIGURES.items()}, refresh=False)
            if bar.total is None:
                bar.reset(steps)
                bar.initial = bar.n = int(figures["step"])
                bar.refresh()
            bar.update(int(figures["step"]) - bar.n)

        yield advance
