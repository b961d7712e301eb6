"""Reads the log of a worker from a pipe, as a terminal or a log collector does. While it is paused, the pipe fills."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

from taskq.supervisor.processes.fork import die_with_parent, fork

__all__ = ["LogReader"]

#: The sizes of the pipe in bytes, where the system lets them be chosen: usually, and while the reader is paused, so that it fills soon.
_SIZE, _SMALL = 1 << 16, 1 << 12
_PATIENCE = 5.0


class LogReader:
    """A process that copies a log to a file."""

    def __init__(self, path: Path) -> None:
        read, self.write_end = os.pipe()
        self._process = fork(_copy, read, self.write_end, path, os.getpid())
        os.close(read)

    def pause(self) -> None:
        self._resize(_SMALL)
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        self._resize(_SIZE)
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Let it copy the rest, and end it."""
        self.resume()
        os.close(self.write_end)
        self._process.join(_PATIENCE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._process.close()

    def _resize(self, size: int) -> None:
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # it holds more than that
                fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, size)


def _copy(read: int, write_end: int, path: Path, parent: int) -> None:
    os.setsid()  # Ctrl-C at the terminal is for the chaos
    die_with_parent(parent)
    os.close(write_end)
    with path.open("ab", buffering=0) as target:
        while data := os.read(read, 65536):
            target.write(data)
