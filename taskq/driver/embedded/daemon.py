"""Start a program that outlives this process, and read its log."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from taskq.errors import ServerUnavailable

__all__ = ["last_lines", "run_detached"]


def run_detached(command: list[str], *, log: Path, keep: int) -> int:
    """Run a program that daemonizes itself, and return its exit code. It inherits only the open file `keep`.

    It gets a separate session and, once daemonized, another parent: neither Ctrl-C nor the exit of this process stops it.

    Raises:
        ServerUnavailable: the system can't run it.
    """
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, pass_fds=(keep,), check=False
            )
        except OSError as error:
            raise ServerUnavailable(f"can't run the program {command[0]}: {error.strerror or error}") from error
    return done.returncode


def last_lines(log: Path, *, begin: int = 0, count: int = 12) -> list[str]:
    """Return the last lines of a log after the byte `begin`, or an empty list if it can't be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(begin, file.seek(0, os.SEEK_END) - 8192))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []
