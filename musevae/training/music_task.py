"""Learning music: windows of events, transposed or thinned out anew at each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from musevae.config import Config
from musevae.models.decoders import ScheduledSampling
from musevae.music.shards import read_manifest
from musevae.training import exhibition, schedules
from musevae.training.datasets import (
    check_representation,
    drop_drums,
    open_dataset,
    sources,
    spread,
    trainable,
    transpose,
    wide,
)
from musevae.training.task import VALIDATION_BATCH, Batch, Task
from musevae.vaes import AnyVae, MusicVAE


class MusicTask(Task):
    """Windows of a dataset folder; ConfigError or DatasetError where they are none for this config."""

    config: Config
    unit = "windows"

    def __init__(self, config: Config, data: Path, device: torch.device) -> None:
        self.representation = trainable(config)
        check_representation(config, data)
        splits = open_dataset(data)
        self.config = replace(config, provenance={**config.provenance, "data": sources(data)})
        self.dropout = config.model.dropout > 0
        self.events = splits["train"].events.to(device)
        self.windows = spread(splits["validation"].events, config.train.validation_examples).to(device)
        self.examples, self.held_out_examples = len(self.events), len(self.windows)
        self.held_out = sorted(read_manifest(data)["shards"]["validation"].values())

    @property
    def steps(self) -> int:
        """As the config says."""
        return self.config.train.steps

    def batch(self, rows: Tensor, draw: Generator) -> Batch:
        """Events (B, T, ...), int64 unless they are real numbers."""
        events, train = wide(self.events[rows]), self.config.train
        if train.transpose:
            events = transpose(events, train.transpose, self.representation, draw)
        if train.drop_drums:
            events = drop_drums(events, train.drop_drums, draw)
        return (events,)

    def validation(self, draw: Generator) -> Iterator[Batch]:
        """Windows as they are."""
        return ((batch,) for batch in torch.split(self.windows, VALIDATION_BATCH))

    def decoding(self, step: int) -> Mapping[str, Any]:
        """How much of scheduled sampling there is."""
        train = self.config.train
        return {"sampling": ScheduledSampling(schedules.sampling_probability(train, step), train.sampling_passes)}

    def show(self, board: Any, vae: AnyVae, step: int) -> None:  # noqa: ANN401 - a SummaryWriter
        """Windows beside their reconstructions, and samples to see and hear."""
        assert isinstance(vae, MusicVAE)
        exhibition.show(board, vae, self.representation, self.windows, step)
