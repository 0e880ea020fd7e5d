"""What is bundled and what can be trained: models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from musevae.cli import options

if TYPE_CHECKING:
    from musevae.config import Config


@click.command()
@options.as_json
def models(as_json: bool) -> None:
    """List bundled models and presets."""
    from musevae import presets, pretrained  # torch

    bundled = pretrained.list_models()
    if as_json:
        content = {
            "bundled": {name: {**described(config), **config.provenance} for name, config in bundled.items()},
            "presets": {name: described(config) for name, config in presets.PRESETS.items()},
        }
        click.echo(json.dumps(content, indent=2))
        return
    width = max(map(len, presets.PRESETS)) + 2
    click.echo("bundled models (-m NAME):")
    for name, config in bundled.items():
        click.echo(f"  {name:{width}}{config.about}")
    click.echo("presets (musevae train NAME):")
    for name, config in presets.PRESETS.items():
        click.echo(f"  {name:{width}}{config.about}; z of {config.model.z_size}")


def described(config: Config) -> dict[str, Any]:
    """A config for --json: what it is, not how it is trained."""
    return {
        "preset": config.preset,
        "about": config.about,
        "representation": config.representation.name,
        "bars": config.representation.bars,
        "z_size": config.model.z_size,
    }
