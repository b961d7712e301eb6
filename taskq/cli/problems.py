"""From an error to a message on standard error and an exit code.

| code | meaning |
|---|---|
| 0 | done |
| 1 | what was asked for is not there, or the output can't be written; `worker --burst`: a job failed |
| 2 | a mistake in the command, the settings or the app, or the server can't be used |
| 130 | ended by Ctrl-C; 143: by SIGTERM, 129: by SIGHUP, where such a signal doesn't mean a stop in good order |
| 141 | who read the output has gone (as in `taskq list ... | head`) |
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import suppress

import click

from taskq.cli.words import clean
from taskq.errors import AppError, TaskqError

__all__ = ["BROKEN_PIPE", "DEBUG", "INTERRUPTED", "MISSING", "WRONG", "NotThere", "report"]

#: Where `--debug` leaves its value in the context, for the group to find.
DEBUG = "taskq.debug"

#: A full disk, a disk that is broken, a quota: what the server's files need has a name.
_NO_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF)

MISSING = 1
WRONG = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


class NotThere(Exception):
    """What the command was asked for does not exist, or can't be had now."""


def report(error: BaseException, *, debug: bool) -> int:
    """Tell of an error on standard error and return the exit code. With `debug` its traceback is shown."""
    if isinstance(error, BrokenPipeError):
        _hush()
        return BROKEN_PIPE
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return 128 + int(error.args[0]) if isinstance(error, KeyboardInterrupt) and error.args else INTERRUPTED
    if isinstance(error, OSError) and error.errno in _NO_OUTPUT and error.filename is None:
        _hush()
        with suppress(OSError):
            click.echo(f"Error: the output can't be written: {error.strerror}", err=True)
        return MISSING
    if isinstance(error, click.ClickException):
        _show(error)
        return WRONG
    text = "".join(traceback.format_exception(error)) if debug and not isinstance(error, NotThere) else f"Error: {_text(error)}"
    click.echo(clean(text, lines=True), err=True)
    return MISSING if isinstance(error, NotThere) else WRONG


def _text(error: BaseException) -> str:
    if isinstance(error, AppError) and not isinstance(error.__cause__, (ModuleNotFoundError, type(None))):
        return f"{error}\n(--debug shows where)"
    if isinstance(error, (TaskqError, NotThere)):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}\nThis is a fault in taskq, or in a driver or app of yours: --debug shows where."


def _show(error: click.ClickException) -> None:
    if not isinstance(error, click.UsageError):
        error.show()
    elif type(error).show is not click.UsageError.show:
        error.show()  # a command without arguments that prints its help
    else:
        path = error.ctx.command_path if error.ctx else "taskq"
        click.echo(clean(f"Error: {error.format_message()}\nTry '{path} --help'.", lines=True), err=True)


def _hush() -> None:
    # Python flushes standard output once more at its end, and would complain there.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
