"""musevae image figures: which files it writes, and what it refuses."""

import sys
from pathlib import Path

import pytest

from tests.cli.command import Command

pytest.importorskip("matplotlib")

from musevae.figures.gallery import FIGURES
from tests.figures.drawn_bars import tiny_model

DRAW = ("image", "figures", "-m", "bars", "--seed", "3")
ONE = (*DRAW, "--only", "traversals")


@pytest.fixture(autouse=True)
def bars(workplace: None) -> None:
    """A model folder of that name."""
    tiny_model().save("bars")


def test_help_names_every_figure(musevae: Command) -> None:
    told = " ".join(musevae.succeeds("image", "figures", "--help").split())
    assert ", ".join(FIGURES) in told


def test_figures_are_written_and_named(musevae: Command) -> None:
    told = musevae.succeeds(*DRAW, "-o", "new/figures", "--only", "bound-against-k", "--only", "traversals")
    paths = [f"new/figures/bars-{name}-s3.png" for name in ("traversals", "bound-against-k")]
    assert told.splitlines() == [*paths, "model bars, seed 3"]
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in paths)
    assert sorted(path.name for path in Path("new/figures").iterdir()) == sorted(Path(path).name for path in paths)


def test_json_lists_the_files(musevae: Command) -> None:
    told = musevae.json(*ONE)
    assert told == {"command": "image figures", "model": "bars", "seed": 3, "files": ["out/bars-traversals-s3.png"]}


def test_existing_figure_is_overwritten_with_force_alone(musevae: Command) -> None:
    Path("out").mkdir()
    Path("out/bars-traversals-s3.png").touch()
    assert "bars-traversals-s3.png exists: --force" in musevae.refuses(*ONE)
    musevae.succeeds(*ONE, "--force")
    assert Path("out/bars-traversals-s3.png").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "manifolt"], "manifolt is unknown: did you mean manifold?"),
        (["--data", "nowhere"], "nowhere is no folder"),
        (["-m", "nothing"], "nothing is neither a folder nor a bundled model"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(musevae: Command, arguments: list[str], complaint: str) -> None:
    assert complaint in musevae.refuses(*DRAW, *arguments)


def test_missing_matplotlib_names_the_extra(musevae: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("musevae.figures")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "matplotlib is not installed: pip install 'musevae[images]'" in musevae.refuses(*DRAW)
