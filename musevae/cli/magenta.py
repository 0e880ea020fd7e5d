"""From Magenta's checkpoints to model folders: import-magenta."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from musevae.cli import options
from musevae.cli.job import folder


@click.command("import-magenta")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=options.OutputFolder(), required=True, help="Folder for the model.")
@click.option("--config", metavar="NAME", help="Magenta's config.  [default: told by names and shapes]")
@options.settings
@click.option("--half", is_flag=True, help="Store 16-bit weights: half the size, and on a CPU faster by up to 4 times.")
@options.force
@options.as_json
def import_magenta(
    checkpoint: Path,
    output: Path,
    config: str | None,
    settings: tuple[str, ...],
    half: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make a model folder of a Magenta checkpoint.

    CHECKPOINT is TensorFlow's (a .tar, an .index file, the prefix of its files or their folder) or a folder of
    magenta.js. A checkpoint of another length than the config's needs --set representation.bars=N.
    """
    from musevae import presets
    from musevae.checkpoint import CONFIG, WEIGHTS  # torch
    from musevae.config import ConfigError
    from musevae.magenta.conversion import import_magenta
    from musevae.training.run_log import LOG
    from musevae.vaes import save_model  # torch

    if (output / LOG).exists():
        raise ValueError(f"{click.format_filename(output)} is a run, with a model of its own: use another folder")
    if any((output / name).exists() for name in (CONFIG, WEIGHTS)) and not force:
        raise ValueError(f"{click.format_filename(output)} holds a model: --force overwrites it, -o avoids it")
    vae = import_magenta(checkpoint, config, settings)
    with folder(output):
        save_model(output, vae, half=half)
    about = {"config": vae.config.preset, "bars": vae.config.representation.bars, "z_size": vae.z_size}
    about |= {"parameters": vae.num_parameters, "decodes_only": vae.encoder is None}
    if as_json:
        click.echo(json.dumps({"command": "import-magenta", "output": str(output), **about}, indent=2))
        return
    click.echo(
        f"{click.format_filename(output)}: {about['config']}, {about['bars']} bars, z {vae.z_size}, "
        f"{vae.num_parameters:,} parameters"
    )
    if vae.encoder is None:
        click.echo("it has no encoder: the model samples and decodes, but cannot encode")
    try:
        presets.music(vae.config)
    except ConfigError as error:
        click.echo(f"in Python only: {error}")
    else:
        click.echo(f"hear it with: {shlex.join(['musevae', 'sample', '-m', str(output)])}")
