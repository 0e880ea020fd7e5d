"""Progress bars: on stderr, and only on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tqdm import tqdm

TRAINING_FIGURES = {"loss": "loss", "kl": "kl", "examples_per_second": "examples/s"}  # key -> how the bar calls it


@contextmanager
def counting(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar as a function of how many are done and how many there are."""
    with tqdm(unit=unit, leave=False, disable=None) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance


@contextmanager
def training() -> Iterator[Callable[[Mapping[str, float], int], None]]:
    """A bar as a function of the figures that the trainer logs and the steps that there will be."""
    with tqdm(unit="step", leave=False, disable=None) as bar:

        def advance(figures: Mapping[str, float], steps: int) -> None:
            bar.total = steps
            bar.set_postfix({name: f"{figures[key]:.4g}" for key, name in TRAINING_FIGURES.items()}, refresh=False)
            bar.update(int(figures["step"]) - bar.n)

        yield advance
