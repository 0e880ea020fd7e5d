"""The command `musevae`: each command parses, checks, calls the library and prints.

Start-up loads click alone; torch and numpy are imported inside the commands, so that `musevae --help` is there at once.
"""

from __future__ import annotations

import signal
from types import FrameType

import click

from musevae import __version__
from musevae.cli import dataset, figures, generation, images, inspection, latent, magenta, models, training
from musevae.cli.errors import OneLineErrors


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="musevae")
def cli() -> None:
    """Sample, vary and interpolate music with MusicVAE, and train it on your own MIDI files."""


COMMANDS = (
    generation.sample,
    generation.interpolate,
    generation.reconstruct,
    generation.similar,
    latent.encode,
    latent.decode,
    models.models,
    dataset.prepare,
    inspection.dataset,
    training.train,
    training.evaluate,
    magenta.import_magenta,
    images.image,
)
for command in COMMANDS:
    cli.add_command(command)
images.image.add_command(figures.figures)


def main() -> None:
    """Run the command line; SIGTERM ends it as Ctrl-C does, leaving no half-written file."""
    signal.signal(signal.SIGTERM, _interrupt)
    cli(prog_name="musevae")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
