"""From an error to a message on standard error and an exit code.

| code | meaning |
|---|---|
| 0 | success |
| 1 | not found, or the output can't be written; `worker --burst`: a job failed |
| 2 | usage, settings, app or server error |
| 130 | Ctrl-C; 143: SIGTERM, 129: SIGHUP, for commands that have no graceful shutdown |
| 141 | the reader of the output closed it (as in `taskq list ... | head`) |
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import suppress

import click

from taskq.cli.mistakes import usage_text
from taskq.cli.words import clean
from taskq.errors import TaskqError
from taskq.shadowing import hidden_modules

__all__ = ["BROKEN_PIPE", "DEBUG", "INTERRUPTED", "MISSING", "WRONG", "NotThere", "report"]

#: Key of the value of `--debug` in click's context.
DEBUG = "taskq.debug"

#: A full or broken disk, or a quota. Errors about the server's own files have a file name.
_NO_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF)

MISSING = 1
WRONG = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


class NotThere(Exception):
    """The requested object does not exist or is not available now."""


def report(error: BaseException, *, debug: bool) -> int:
    """Report an error on standard error and return the exit code. With `debug`, print the traceback."""
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
    if isinstance(error, (TaskqError, NotThere)):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename is None and "temporary directory" in str(error):  # of `tempfile`
        return "no directory for temporary files is writable: mount one at /tmp, or set TMPDIR"
    from taskq.push.hooks import HOOK_RAISED  # slow to import, and needed only for errors

    notes = [note for note in getattr(error, "__notes__", ()) if isinstance(note, str) and note.startswith(HOOK_RAISED)]
    if notes:
        return f"{type(error).__name__}: {error}\n{notes[0]}"
    hint = hidden_modules() or "This is a bug in taskq, in a custom driver or in your app: --debug shows the traceback."
    return f"unexpected {type(error).__name__}: {error}\n{hint}"


def _show(error: click.ClickException) -> None:
    if not isinstance(error, click.UsageError):
        error.show()
    elif type(error).show is not click.UsageError.show:
        error.show()  # a command without arguments that prints its help
    else:
        path = error.ctx.command_path if error.ctx else "taskq"
        click.echo(clean(f"Error: {usage_text(error)}\nTry '{path} --help'.", lines=True), err=True)


def _hush() -> None:
    # Python flushes standard output once more at its end, and would complain there.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
