"""Starting a program that outlives us, and reading what it wrote about itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from taskq.errors import ServerUnavailable

__all__ = ["last_lines", "run_detached"]


def run_detached(command: list[str], *, log: Path, keep: int) -> int:
    """Run a program that daemonizes itself and return its exit code; of our open files it gets `keep` alone.

    A session of its own and, once daemonized, another parent: neither Ctrl-C nor the end of its starter reaches it.

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
    """Return the last lines of a log, none from before the byte `begin`; nothing when it can't be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(begin, file.seek(0, os.SEEK_END) - 8192))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []
