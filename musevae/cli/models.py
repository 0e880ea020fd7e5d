"""What is bundled and what can be trained: models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from musevae.cli import options

if TYPE_CHECKING:
    from musevae.config import AnyConfig


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
            "image_presets": {name: described(config) for name, config in presets.IMAGE_PRESETS.items()},
        }
        click.echo(json.dumps(content, indent=2))
        return
    width = max(map(len, presets.PRESETS)) + 2
    click.echo("bundled models (-m NAME):")
    for name, config in bundled.items():
        click.echo(f"  {name:{width}}{config.about}")
    click.echo("presets (musevae train NAME):")
    say(presets.PRESETS, width)
    click.echo("presets of images (musevae image train NAME):")
    say(presets.IMAGE_PRESETS, width)


def say(configs: Mapping[str, AnyConfig], width: int) -> None:
    """Print presets, a line each."""
    for name, config in configs.items():
        click.echo(f"  {name:{width}}{config.about}; z of {config.model.z_size}")


def described(config: AnyConfig) -> dict[str, Any]:
    """A config for --json: what it is, not how it is trained."""
    from musevae.config import ImageConfig

    about = {"preset": config.preset, "about": config.about, "z_size": config.model.z_size}
    if isinstance(config, ImageConfig):
        return {**about, "images": config.images.shape}
    return {**about, "representation": config.representation.name, "bars": config.representation.bars}
