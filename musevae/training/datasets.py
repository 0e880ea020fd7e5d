"""A split of a dataset as one compact integer tensor, and the batches drawn from it on its device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.utils.data import Dataset

from musevae import presets
from musevae.config import Config, ConfigError
from musevae.music.melody import FIRST_NOTE
from musevae.music.representation import Representation
from musevae.music.shards import SPLITS, DatasetError, read_manifest, read_split


class EventDataset(Dataset[Tensor]):
    """Windows of events; `events` is the whole array (N, T, ...), an item one window (T, ...), wide.

    A torch DataLoader can have it, with any number of workers.
    """

    def __init__(self, events: Tensor) -> None:
        self.events = events

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, index: int) -> Tensor:
        return wide(self.events[index])

    def __getitems__(self, indices: list[int]) -> list[Tensor]:
        """The items of a batch at once, which a DataLoader asks for where it can."""
        return list(wide(self.events[indices]))


def open_dataset(folder: str | Path) -> dict[str, EventDataset]:
    """The splits of a dataset folder by name; DatasetError when it is none or damaged.

    A split that is one file stays in it, shared by all processes that read it; what is written into its tensor does not
    reach the file.
    """
    return {split: EventDataset(signed(mapped(read_split(Path(folder), split)))) for split in SPLITS}


def mapped(events: NDArray[Any]) -> NDArray[Any]:
    """Events that may be written to: of a whole file mapped into memory, that file's, mapped anew as copy on write."""
    return open_memmap(str(events.filename), mode="c") if isinstance(events, np.memmap) else events


def as_tensor(events: NDArray[Any]) -> Tensor:
    """Events as a tensor of their own."""
    return signed(np.array(events))


def signed(events: NDArray[Any]) -> Tensor:
    """Events as a tensor; 16-bit classes, all below 2^15, get a sign, without which torch can do little."""
    return torch.from_numpy(events.view(np.int16) if events.dtype == np.uint16 else events)


def wide(events: Tensor) -> Tensor:
    """Classes and bits as int64; real numbers as they are."""
    return events if events.is_floating_point() else events.long()


def seeded(device: torch.device, *seeds: int) -> Generator:
    """A generator that depends on the seeds alone, so that any step of a run can be drawn again."""
    mixed = int(np.random.SeedSequence([seed % 2**64 for seed in seeds]).generate_state(1, np.uint64)[0])
    return Generator(device).manual_seed(mixed >> 1)


class Batches:
    """Which examples are in the batch of each step: each epoch in an order of its own, a remainder left out.

    What a step has depends on (seed, step) alone: a resumed run needs no generator state to go on as it would have.
    """

    def __init__(self, examples: int, batch_size: int, seed: int, device: torch.device, unit: str = "windows") -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        if examples < batch_size:
            raise ValueError(
                f"the training split has {examples} {unit}, fewer than a batch of {batch_size}: "
                f"add data, or lower the batch with --set train.batch_size={max(1, examples)}"
            )
        self.examples, self.batch_size, self.seed, self.device = examples, batch_size, seed, device
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, step: int) -> Tensor:
        """The rows of the split, (batch_size,) int64."""
        epoch, index = divmod(step, self.examples // self.batch_size)
        if epoch != self._epoch:
            generator = seeded(torch.device("cpu"), self.seed, 0, epoch)
            order = torch.randperm(self.examples, generator=generator)
            self._epoch, self._order = epoch, order.to(self.device)
        return self._order[index * self.batch_size : (index + 1) * self.batch_size]


def transpose(events: Tensor, semitones: int, representation: Representation, generator: Generator) -> Tensor:
    """Each window (B, T, ...) int64 moved by its own draw from -semitones..semitones, less at the range's ends.

    The columns that have a pitch move together.
    """
    classes = int(np.atleast_1d(representation.classes)[0])
    columns, others = events.reshape(*events.shape[:2], -1).tensor_split((representation.pitched,), dim=2)
    struck = columns >= FIRST_NOTE
    lowest = torch.where(struck, columns, classes).amin(dim=(1, 2))
    highest = torch.where(struck, columns, 0).amax(dim=(1, 2))
    shift = torch.randint(-semitones, semitones + 1, lowest.shape, generator=generator, device=events.device)
    shift = torch.minimum(torch.maximum(shift, FIRST_NOTE - lowest), classes - 1 - highest)
    moved = torch.where(struck, columns + shift[:, None, None], columns)
    return torch.cat([moved, others], dim=2).view_as(events)


def drop_drums(events: Tensor, probability: float, generator: Generator) -> Tensor:
    """Windows of drums as bits (B, T, D) int64, each without the drums that draws of its own silence."""
    kept = torch.rand(len(events), 1, events.shape[-1], generator=generator, device=events.device) >= probability
    return events * kept


def spread(events: Tensor, n: int) -> Tensor:
    """At most `n` of the windows, evenly spread over them all."""
    return events[torch.linspace(0, len(events) - 1, min(n, len(events))).round().long()]


def trainable(config: Config) -> Representation:
    """The representation of the events that a config's model is trained on; ConfigError where `train` has no such."""
    made = presets.music(config)
    if config.train.transpose and not made.pitched:
        raise ConfigError(f"train.transpose is {config.train.transpose}, but {made.name} have no pitch: set it to 0")
    if config.train.drop_drums and not getattr(config.representation, "bits", False):
        raise ConfigError(f"train.drop_drums is {config.train.drop_drums}; only drums as bits can be dropped")
    return made


def check_representation(config: Config, data: Path) -> None:
    """DatasetError unless the dataset holds the events that the config's model reads."""
    wanted = presets.representation(config.representation)
    held = read_manifest(data).get("representation", {})
    expected = {"name": wanted.name, **json.loads(json.dumps(vars(wanted)))}
    unlike = [key for key in expected if held.get(key) != expected[key] and key != "max_chord_share"]
    if unlike:
        raise DatasetError(
            f"{data} was prepared for another representation ({unlike[0]} {held.get(unlike[0])}, the model has "
            f"{expected[unlike[0]]}): prepare it with --model {config.preset}"
        )


def sources(data: Path) -> list[str]:
    """The names of what a dataset was made from."""
    return [source["name"] for source in read_manifest(data).get("sources", [])]
