"""A split of a dataset as one compact integer tensor, and the batches drawn from it on its device."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from musevae import presets
from musevae.config import Config
from musevae.music.melody import FIRST_NOTE
from musevae.music.shards import SPLITS, DatasetError, read_manifest, read_split


class EventDataset(Dataset[Tensor]):
    """Windows of events; `events` is the whole array (N, T), an item one window (T,) as int64."""

    def __init__(self, events: Tensor) -> None:
        self.events = events

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, index: int) -> Tensor:
        return self.events[index].long()


def open_dataset(folder: str | Path) -> dict[str, EventDataset]:
    """The splits of a dataset folder by name; DatasetError when it is none or damaged."""
    return {split: EventDataset(torch.from_numpy(np.array(read_split(Path(folder), split)))) for split in SPLITS}


def seeded(device: torch.device, *seeds: int) -> Generator:
    """A generator that depends on the seeds alone, so that any step of a run can be drawn again."""
    mixed = int(np.random.SeedSequence([seed % 2**64 for seed in seeds]).generate_state(1, np.uint64)[0])
    return Generator(device).manual_seed(mixed >> 1)


class Batches:
    """Batch `step` of a run: each epoch in an order of its own, a remainder smaller than a batch left out.

    What a step draws depends on (seed, step) alone: a resumed run needs no generator state to go on as it would have.
    """

    def __init__(self, events: Tensor, batch_size: int, seed: int) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        if len(events) < batch_size:
            raise ValueError(
                f"the training split has {len(events)} windows, fewer than a batch of {batch_size}: "
                f"add data, or lower the batch with --set train.batch_size={max(1, len(events))}"
            )
        self.events, self.batch_size, self.seed = events, batch_size, seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __getitem__(self, step: int) -> Tensor:
        """Events (batch_size, T) int64."""
        epoch, index = divmod(step, len(self.events) // self.batch_size)
        if epoch != self._epoch:
            generator = seeded(torch.device("cpu"), self.seed, 0, epoch)
            order = torch.randperm(len(self.events), generator=generator)
            self._epoch, self._order = epoch, order.to(self.events.device)
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.events[chosen].long()


def transpose(events: Tensor, semitones: int, classes: int, generator: Generator) -> Tensor:
    """Each window (B, T) moved by its own draw from -semitones..semitones, less where notes would leave the range."""
    struck = events >= FIRST_NOTE
    lowest = torch.where(struck, events, classes).amin(dim=1)
    highest = torch.where(struck, events, 0).amax(dim=1)
    shift = torch.randint(-semitones, semitones + 1, lowest.shape, generator=generator, device=events.device)
    shift = torch.minimum(torch.maximum(shift, FIRST_NOTE - lowest), classes - 1 - highest)
    return torch.where(struck, events + shift[:, None], events)


def spread(events: Tensor, n: int) -> Tensor:
    """At most `n` of the windows, evenly spread over them all."""
    return events[torch.linspace(0, len(events) - 1, min(n, len(events))).round().long()]


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
