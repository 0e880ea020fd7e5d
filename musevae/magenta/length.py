"""How long windows are, which shapes do not tell: what lies beside a checkpoint for JavaScript does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from musevae.config import Config
from musevae.magenta.errors import MagentaError
from musevae.presets import window_steps

DESCRIPTIONS = ("config.json", "converter.json")  # of magenta.js and of deeplearn.js
MAX_DESCRIPTION = 1 << 20


def read_length(path: Path) -> int | None:
    """The steps in a window (`numSteps`) of a checkpoint for JavaScript; None where nothing tells them."""
    folder = path if path.is_dir() else path.parent
    if not any((folder / name).is_file() for name in ("weights_manifest.json", "manifest.json")):
        return None
    for description in map(folder.joinpath, DESCRIPTIONS):
        if description.is_file():
            return _steps(description)
    return None


def _steps(description: Path) -> int | None:
    if description.stat().st_size > MAX_DESCRIPTION:
        raise MagentaError(f"{description.name} is larger than {MAX_DESCRIPTION} bytes: it describes no converter")
    try:
        content = json.loads(description.read_bytes())
    except (ValueError, RecursionError):
        raise MagentaError(f"{description.name} is damaged: download it again") from None
    for key in ("dataConverter", "args", "numSteps"):
        if isinstance(content, Mapping) and key in content:
            content = content[key]
    return content if type(content) is int else None


def with_steps(config: Config, steps: int | None) -> Config:
    """The config with windows of so many steps, and as many segments as make them as long as they were."""
    held = window_steps(config.representation)
    if steps in (None, held):
        return config
    assert steps is not None
    bars, rest = divmod(steps * config.representation.bars, held)
    segments, uneven = divmod((config.model.segments or 0) * steps, held)
    if rest or uneven or bars < 1:
        raise MagentaError(f"its windows have {steps} steps, no whole number of bars: use --set representation.bars=N")
    model = replace(config.model, segments=segments) if config.model.segments else config.model
    return replace(config, representation=replace(config.representation, bars=bars), model=model)
