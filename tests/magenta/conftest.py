"""Fixtures of Magenta's own checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folders of tiny checkpoints in the layouts of Magenta."""
    return Path(__file__).parents[1] / "data" / "parity"
