"""What a run learns: the examples of its batches, and what it needs to know of them. Music and images have one each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from torch import Generator, Tensor

from musevae.config import AnyConfig
from musevae.vaes import AnyVae

VALIDATION_BATCH = 512

Batch: TypeAlias = "tuple[Tensor, ...]"  # x (B, ...) and, where the model has one, its condition (B, ...)


class Task(ABC):
    """The examples of a run, on its device; `config` says, as provenance, where they come from."""

    config: AnyConfig
    unit: str  # what an example is, in the plural
    examples: int  # to train on
    held_out_examples: int  # to validate on
    held_out: Any  # what tells one set of them from another
    dropout = False  # whether the model drops any of its inputs

    @property
    @abstractmethod
    def steps(self) -> int:
        """Of the whole run: the length of its schedules."""

    @abstractmethod
    def batch(self, rows: Tensor, draw: Generator) -> Batch:
        """The training examples of those rows (B,), augmented by draws."""

    @abstractmethod
    def validation(self, draw: Generator) -> Iterator[Batch]:
        """All that is held out."""

    def begin(self, vae: AnyVae) -> None:  # noqa: B027 - most have nothing to prepare
        """Prepare a model that nothing has trained yet."""

    def decoding(self, step: int) -> Mapping[str, Any]:
        """What the decoder is told at a step, besides z."""
        return {}

    @abstractmethod
    def show(self, board: Any, vae: AnyVae, step: int) -> None:  # noqa: ANN401 - a SummaryWriter
        """Write pictures, and sounds where there are such, into TensorBoard's file."""
