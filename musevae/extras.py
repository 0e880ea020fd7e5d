"""Packages that only some of our work needs: `pip install 'musevae[NAME]'` brings them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Say which extra of ours holds a package that the block does not find."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{str(error.name).partition('.')[0]} is not installed: pip install 'musevae[{name}]'"
        ) from None
