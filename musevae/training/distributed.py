"""One run on several processes, as torchrun starts them: each takes its rows of every batch, the first one writes.

Gradients are averaged by DistributedDataParallel; with `Draws`, the run is that of one process up to rounding.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from musevae.training.device import torch_device

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
LOST = re.compile("gloo|nccl|store|connection|broken pipe|timed? ?out", re.IGNORECASE)  # in what torch says of it

T = TypeVar("T")


class LostProcessError(RuntimeError):
    """Another process of the run has ended."""


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this is."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process reads, writes and reports for all."""
        return self.rank == 0

    def check(self, batch_size: int) -> None:
        """ValueError where a batch cannot be shared equally."""
        if batch_size % self.size:
            near = max(1, round(batch_size / self.size)) * self.size
            raise ValueError(
                f"train.batch_size is {batch_size}, which {self.size} processes cannot share equally: "
                f"choose a multiple, as with --set train.batch_size={near}"
            )

    def rows(self, batch: Tensor) -> Tensor:
        """The share of this process in a whole batch (B, ...)."""
        return batch.chunk(self.size)[self.rank]

    def average(self, figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The means over all processes of figures () of each."""
        if self.size == 1:
            return dict(figures)
        values = torch.stack([value.detach().float() for value in figures.values()])
        dist.all_reduce(values)
        return dict(zip(figures, values / self.size, strict=True))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is up in any process."""
        if self.size == 1:
            return flag
        flags = torch.tensor(float(flag), device=device)
        dist.all_reduce(flags)
        return bool(flags)

    def shared(self, value: T) -> T:
        """The first process's value."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def replicated(self, model: nn.Module) -> nn.Module:
        """The model, whose gradients from here on are means over all processes."""
        return model if self.size == 1 else DistributedDataParallel(model)

    @contextmanager
    def losses_named(self) -> Iterator[None]:
        """Say plainly what torch's errors mean when another process ends."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not LOST.search(str(error)):
                raise
            raise LostProcessError(
                f"process {self.rank} of {self.size} stopped, for another process of this run has ended: "
                "--resume goes on from the last checkpoint, if there is one, with any number of processes"
            ) from error


class Draws(TorchFunctionMode):
    """Numbers drawn from `generator` inside are this process's rows of those for the whole batch.

    What is drawn must have one row an example, or as many for each. Dropout, which by itself takes torch's global
    generator, is drawn likewise, so that a resumed run goes on as it would have.
    """

    def __init__(self, generator: Generator, world: World) -> None:
        super().__init__()
        self.generator, self.world = generator, world

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Call `function`, or do what stands for it here."""
        kwargs = kwargs or {}
        if function in (torch.rand, torch.randn) and kwargs.get("generator") is self.generator:
            (rows, *shape), *_ = args
            return self.world.rows(function((rows * self.world.size, *shape), **kwargs))
        if function is F.dropout:
            return self.dropout(*args, **kwargs)
        return function(*args, **kwargs)

    def dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """`F.dropout`."""
        if not (training and p):
            return x
        shape = (len(x) * self.world.size, *x.shape[1:])
        kept = self.world.rows(torch.rand(shape, generator=self.generator, device=self.generator.device)) >= p
        return x * kept.to(x.device) / (1 - p)


def launched() -> bool:
    """Whether torchrun, or what sets the same variables, started this as one of several processes."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def rank() -> int:
    """The number of this process, 0 where it is the only one."""
    return int(os.environ["RANK"]) if launched() else 0


def own_device(name: str) -> torch.device:
    """As `torch_device`, but "auto" and "cuda" are, for each of several processes, a GPU of its own."""
    if launched() and (name == "cuda" or (name == "auto" and torch.cuda.is_available())):
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return torch_device(name)


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The processes of this run, once all are there; a World of one where torchrun did not start several."""
    if not launched() and not dist.is_initialized():
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group(BACKENDS[device.type])
    world = World(dist.get_rank(), dist.get_world_size())
    with world.losses_named():
        yield world
        if ours:  # after an error the process ends, and an orderly leave could wait for one that is gone
            gc.collect()  # a replicated model that outlives the group can hang in its destructor, which holds the GIL
            dist.destroy_process_group()
