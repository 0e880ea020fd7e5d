"""The one error of files that are not what Magenta writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MagentaError(ValueError):
    """A file that is no checkpoint of Magenta's, or a damaged one; the message begins with its name."""


@contextmanager
def reading(name: object) -> Iterator[None]:
    """Turn a plain ValueError of the block, which says what is wrong, into a MagentaError that names the file."""
    try:
        yield
    except MagentaError:
        raise
    except ValueError as error:
        raise MagentaError(f"{name} is damaged or no checkpoint of Magenta's ({error}): download it again") from None
