"""What the figures' tests share: a studio, whose small models are trained once."""

from __future__ import annotations

import pytest

from musevae.figures.studio import Studio
from tests.figures.drawn_bars import image_sets, studio_of, tiny_model


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A tiny model with labelled bars; its small models are trained once for all tests."""
    return studio_of(tiny_model(), image_sets(), tmp_path_factory.mktemp("small"))
