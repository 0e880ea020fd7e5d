"""How the tests here run a command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from musevae.cli import cli

SMALL = ["model.z_size=8", "model.encoder_sizes=16", "model.decoder_sizes=16", "train.batch_size=8"]
SMALLER = [part for setting in SMALL for part in ("--set", setting)]  # the tiny model, for `musevae train`


Write = Callable[..., Path]  # the fixture `write`


class Command:
    """`musevae`, run in this process; each call returns click's Result."""

    def __call__(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], prog_name="musevae")

    def succeeds(self, *arguments: str | Path) -> str:
        """What it printed."""
        result = self(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    def json(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - JSON
        """The object it printed."""
        return json.loads(self.succeeds(*arguments, "--json"))

    def refuses(self, *arguments: str | Path, status: int = 1) -> str:
        """The one line of its complaint; nothing is printed and no file is written, changed or taken away."""
        before = snapshot()
        result = self(*arguments)
        assert isinstance(result.exception, SystemExit), result.exception
        assert (result.exit_code, result.stdout) == (status, "")
        assert snapshot() == before
        lines = result.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("Error: ")
        return lines[0]


def snapshot() -> dict[Path, bytes | None]:
    """Every file under the working directory with its content, and every folder."""
    return {path: path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}
