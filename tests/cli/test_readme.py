"""What README.md shows is what happens: its commands with their output, its Python code, its table of presets.

A comment `<!-- the tests put A for B -->` above a block makes a long run short.
"""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from musevae import MusicVAE, pretrained
from musevae.presets import IMAGE_PRESETS, PRESETS
from musevae.vaes import build
from tests.cli.command import Command

README = Path(__file__).parents[2] / "README.md"
SHORTER = r"(?:<!-- the tests put (?P<short>\S+) for (?P<long>\S+) -->\n)?"
BLOCK = re.compile(SHORTER + r"```(?P<kind>\w+)\n(?P<text>.*?)```", re.S)
ROW = re.compile(r"^\| `(\S+)` \| (\d+) \| (\d+) \| ([\d,]+) \|", re.M)

IMAGE_ROW = re.compile(r"^\| `(\S+)` \| (\d+) x (\d+) \| (\d+) \| ([\d,]+) \|", re.M)

needs_weights = pytest.mark.skipif(
    not (pretrained.BUNDLED / pretrained.DEFAULT / "model.safetensors").exists(), reason="no weights are bundled yet"
)


def blocks() -> list[tuple[str, str]]:
    """The kind and the text of every fenced block."""
    found = BLOCK.finditer(README.read_text(encoding="utf-8"))
    return [(m["kind"], m["text"].replace(m["long"], m["short"]) if m["long"] else m["text"]) for m in found]


def run_console(musevae: Command, text: str) -> None:
    """Run the lines after `$`; what they print is what follows, where anything does, but for decimals."""
    for shown in text.split("$ ")[1:]:
        line, _, expected = shown.partition("\n")
        program, *arguments = shlex.split(line)
        assert program == "musevae"
        result = musevae(*arguments)
        printed = result.stdout + result.stderr
        assert result.exit_code == printed.startswith("Error: "), printed
        if expected:
            assert re.sub(r"\d+\.\d+", "#", printed) == re.sub(r"\d+\.\d+", "#", expected)


def run_shell(musevae: Command, text: str) -> None:
    """Run what is musevae's of `a && b` lines."""
    for command in re.split(r" && |\n", text.strip()):
        program, *arguments = shlex.split(command)
        assert program in ("pip", "python", "musevae")
        if program == "musevae":
            musevae.succeeds(*arguments)


@needs_weights
def test_everything_the_readme_shows_runs_in_order(musevae: Command) -> None:
    for folder in ("samples/inputs", "tests/data/parity/hierdec-trio_16bar"):
        shutil.copytree(README.parent / folder, folder)
    names: dict[str, Any] = {}
    for kind, text in blocks():
        if kind == "console":
            run_console(musevae, text)
        elif kind == "sh":
            run_shell(musevae, text)
        else:
            exec(compile(text, "README.md", "exec"), names)
    assert len(list(Path("out").glob("melody-2bar-sample-*.mid"))) == 8 + 2 + 1


def test_the_table_of_image_presets_is_complete_and_true() -> None:
    table = {name: numbers for name, *numbers in IMAGE_ROW.findall(README.read_text(encoding="utf-8"))}
    with torch.device("meta"):
        models = {name: (config.images, build(config)) for name, config in IMAGE_PRESETS.items()}
    assert table == {
        name: [str(images.height), str(images.width), str(vae.z_size), f"{vae.num_parameters:,}"]
        for name, (images, vae) in models.items()
    }


def test_the_table_of_presets_is_complete_and_true() -> None:
    table = {name: numbers for name, *numbers in ROW.findall(README.read_text(encoding="utf-8"))}
    with torch.device("meta"):
        parameters = {name: MusicVAE(config).num_parameters for name, config in PRESETS.items()}
    assert table == {
        name: [str(config.representation.bars), str(config.model.z_size), f"{parameters[name]:,}"]
        for name, config in PRESETS.items()
    }
