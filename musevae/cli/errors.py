"""A user's mistake, a bad file or an interruption becomes one line `Error: ...` on stderr and an exit status."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

REMEDIES = {  # what the system says -> what it means here
    errno.ENOENT: "there is no such file or folder: check its name",
    errno.EISDIR: "this is a folder: name a file",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another name",
    errno.EEXIST: "a file stands where a folder is needed: choose another name",
    errno.EACCES: "this may not be read or written: change its permissions or choose another",
    errno.EROFS: "this disk cannot be written: choose a folder on another",
    errno.ENOSPC: "the disk is full: free some space or choose a folder on another",
    errno.EDQUOT: "your share of the disk is used up: free some space or choose a folder on another",
    errno.ENAMETOOLONG: "this name is too long: choose a shorter one",
}


class Mistake(click.ClickException):
    """A bad file or a request that cannot be met."""

    exit_code = 1


class Misuse(click.ClickException):
    """A command line that cannot be understood."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C or SIGTERM."""

    exit_code = 130


class OneLineErrors(click.Group):
    """A group whose commands end with at most one line of complaint; --help lists them in order of addition."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names."""
        return list(self.commands)

    def make_context(self, *args: Any, **keywords: Any) -> click.Context:  # noqa: ANN401 - click's own
        """Parse the group's arguments."""
        with one_line():
            return super().make_context(*args, **keywords)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Parse the command's arguments and run it."""
        with one_line():
            return super().invoke(ctx)


@contextmanager
def one_line() -> Iterator[None]:
    """Turn the errors that a user can cause into a ClickException; any other is a bug and shows its traceback."""
    try:
        yield
    except click.UsageError as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            raise
        where = error.ctx.command_path if error.ctx else "musevae"
        raise failure(f"{error.format_message()} ({where} --help)", Misuse) from None
    except KeyboardInterrupt:
        raise failure("interrupted; what was not finished was not written", Interrupted) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output is gone: click ends quietly
            raise
        raise failure(described(error)) from error
    except MemoryError:
        raise failure("there is not enough memory: ask for less at a time") from None
    except ValueError as error:  # MidiError, CheckpointError, ConfigError, DatasetError, SourceError, PointsError
        raise failure(str(error)) from error


def failure(message: str, kind: type[click.ClickException] = Mistake) -> click.ClickException:
    """The exception that prints `Error: message`, on one line."""
    return kind(" ".join(message.split()))


def described(error: OSError) -> str:
    """An OSError with the file's name first and the remedy last."""
    reason = REMEDIES.get(error.errno or 0, error.strerror or str(error))
    return f"{click.format_filename(error.filename)}: {reason}" if error.filename else reason
