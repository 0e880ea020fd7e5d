"""Imports point down or sideways in the listed order, never up, never in a circle (DESIGN.md, section 3)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [  # from the top; a room may import those on floors below, and on its own floor those listed after it
    ["cli", "data_prep"],
    ["figures", "pretrained", "trained_model", "trained_image_model", "training", "magenta"],
    ["vaes", "checkpoint", "presets", "latent", "points"],
    ["models", "config", "music", "images"],
    ["files", "extras"],
]
STRANGERS = [{"cli", "data_prep"}, {"models", "config", "music", "images"}]  # neither knows the other
THIRD_PARTY = {  # room, or module where it differs -> what it may import besides the standard library
    "cli": {"click", "tqdm", "torch", "numpy"},
    "cli.inspection": {"click", "matplotlib"},
    "data_prep": {"numpy"},
    "data_prep.archives": {"zstandard"},
    "data_prep.cluster": {"distributed"},
    "data_prep.places": {"fsspec"},
    "data_prep.export": {"numpy", "pyarrow", "datasets"},
    "music": {"numpy"},
    "music.midi": {"numpy", "symusic", "pretty_midi", "mido"},
    "images": {"numpy", "PIL"},
    "models": {"torch"},
    "config": set(),
    "files": set(),
    "extras": set(),
    "presets": set(),
    "checkpoint": {"torch", "safetensors"},
    "latent": {"torch"},
    "points": {"numpy"},
    "training": {"torch", "numpy"},
    "trained_model": {"torch", "numpy"},
    "magenta": {"numpy"},
    "magenta.conversion": {"numpy", "torch"},
    "pretrained": {"torch"},
    "vaes": {"torch", "huggingface_hub"},
    "trained_image_model": {"torch", "numpy"},
    "figures": {"torch", "numpy", "matplotlib"},
}


class Import(NamedTuple):
    """One imported module: `typing` is inside `if TYPE_CHECKING`, `lazy` inside a function."""

    importer: str
    imported: str
    typing: bool
    lazy: bool


def module_name(path: Path) -> str:
    """As in `music.midi`, `checkpoint`, `data_prep.sources`; the package musevae itself is ''."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "musevae" else parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for folder in ("musevae", "data_prep") for path in (ROOT / folder).rglob("*.py")}


def imports_of(module: str) -> Iterator[Import]:
    yield from walk(module, ast.parse(MODULES[module].read_text(encoding="utf-8")), False, False)


def walk(module: str, node: ast.AST, typing: bool, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.Import):
            yield from (Import(module, alias.name, typing, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module} imports relatively"
            assert all(alias.name != "*" for alias in child.names), f"{module} imports *"
            yield from (Import(module, imported(child.module, alias.name), typing, lazy) for alias in child.names)
        else:
            yield from walk(module, child, typing or inside, lazy or function)


def imported(package: str | None, name: str) -> str:
    """`from musevae import presets` is of a module, `from musevae.presets import preset` of a name in one."""
    inner = f"{package}.{name}".removeprefix("musevae.")
    return f"{package}.{name}" if inner in MODULES else str(package)


IMPORTS = [found for module in MODULES for found in imports_of(module)]


def inner(name: str) -> str | None:
    """The module of ours that an import means, '' for the package musevae itself, None for anybody else's."""
    if name == "musevae":
        return ""
    return name.removeprefix("musevae.") if name.startswith(("musevae.", "data_prep")) else None


def room(module: str) -> str:
    return module.partition(".")[0]


OURS = [(found, target) for found in IMPORTS if (target := inner(found.imported)) is not None]
ACROSS = [(found, room(found.importer), room(target)) for found, target in OURS if room(target) != room(found.importer)]
TOP = ("", "__main__")  # the package itself, which resolves names lazily, and `python -m musevae`


def may_import(importer: str, target: str) -> bool:
    """Whether one room may import another."""
    order = [name for floor in FLOORS for name in floor]
    if any({importer, target} <= pair for pair in STRANGERS) and importer != "cli":
        return False
    return target == "" or order.index(importer) < order.index(target)


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in MODULES} - set(TOP) <= {name for floor in FLOORS for name in floor}


@pytest.mark.parametrize("name", [name for floor in FLOORS for name in floor])
def test_room_imports_nothing_above_it(name: str) -> None:
    wrong = [found for found, importer, target in ACROSS if importer == name and not may_import(importer, target)]
    assert not wrong


@pytest.mark.parametrize("lazy", [False, True])
def test_the_top_of_the_package_imports_only_the_command_line(lazy: bool) -> None:
    targets = {target for found, importer, target in ACROSS if importer in TOP and not found.typing}
    assert targets <= {"cli"}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES if module not in TOP}
    for found, target in OURS:
        if found.importer in graph and target in graph and not (found.lazy or found.typing):
            graph[found.importer].add(target)
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert set(order) == set(graph)


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(TOP)))
def test_module_imports_no_package_that_is_not_its_rooms(module: str) -> None:
    allowed = THIRD_PARTY.get(module, THIRD_PARTY.get(room(module), set())) | set(sys.stdlib_module_names)
    used = {
        found.imported.partition(".")[0]
        for found in IMPORTS
        if found.importer == module and inner(found.imported) is None and not found.typing
    }
    assert used <= allowed


def test_command_line_starts_with_click_alone() -> None:
    """What is slow is imported inside the commands, so that `musevae --help` is there at once."""
    loaded, waiting = set(TOP), ["cli"]
    while waiting:
        module = waiting.pop()
        loaded.add(module)
        eager = [found for found in imports_of(module) if not (found.lazy or found.typing)]
        waiting += [target for found in eager if (target := inner(found.imported)) is not None and target not in loaded]
        others = {found.imported.partition(".")[0] for found in eager if inner(found.imported) is None}
        assert others <= {"click"} | set(sys.stdlib_module_names), module
    assert {room(module) for module in loaded} == {*TOP, "cli"}


def test_a_floor_lists_no_room_twice_and_the_checker_sees_what_is_wrong() -> None:
    """Else a slip in this file would let everything pass."""
    order = [name for floor in FLOORS for name in floor]
    assert len(order) == len(set(order))
    assert all(may_import(lower, upper) is False for upper, lower in pairwise(order))
    assert not may_import("models", "music")
    assert not may_import("models", "config")
    assert not may_import("images", "music")
    assert not may_import("trained_model", "pretrained")
    assert may_import("pretrained", "trained_model")
    assert any(target == "music" for found, importer, target in ACROSS if importer == "data_prep")
    assert any(found.lazy for found in IMPORTS)
