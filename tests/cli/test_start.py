"""Start-up: help is quick because it loads neither torch nor numpy; the shared defaults are the library's."""

import subprocess
import sys

import pytest

from musevae import __version__, pretrained, trained_model
from musevae.cli import cli, options
from tests.cli.command import Command

HELP_LOADS = """
import sys
from click.testing import CliRunner
from musevae.cli import cli
for arguments in ([], *([name] for name in cli.commands)):
    assert CliRunner().invoke(cli, [*arguments, "--help"]).exit_code == 0
print(*sorted({"torch", "numpy", "mido", "tqdm"} & set(sys.modules)))
"""


def test_help_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_LOADS], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


def test_module_and_version() -> None:
    done = subprocess.run([sys.executable, "-m", "musevae", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == f"musevae, version {__version__}\n"


@pytest.mark.parametrize("name", ["", *cli.commands])
def test_every_command_has_help(musevae: Command, name: str) -> None:
    printed = musevae.succeeds(*name.split(), "--help")
    assert printed.startswith(f"Usage: musevae {name}".rstrip())
    assert "..." not in printed.partition("Commands:")[2]


def test_shared_defaults_are_the_librarys() -> None:
    assert options.DEFAULT_MODEL == pretrained.DEFAULT
    assert options.DEFAULT_TEMPERATURE == trained_model.DEFAULT_TEMPERATURE


def test_models_lists_every_preset(musevae: Command) -> None:
    report = musevae.json("models")
    assert {"melody-2bar", "cat-mel_2bar_small"} <= set(report["presets"])
    printed = musevae.succeeds("models")
    assert all(name in printed for name in [*report["bundled"], *report["presets"]])


def test_nothing_given_shows_help(musevae: Command) -> None:
    result = musevae()
    assert result.exit_code == 2
    assert result.output.startswith("Usage: musevae")
