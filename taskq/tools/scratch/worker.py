"""A worker as a separate process that ends with its parent."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from taskq.clock import monotonic
from taskq.logs import set_up_logging
from taskq.queue import Queue
from taskq.supervisor.processes.fork import die_with_parent, fork
from taskq.tools.scratch.signals import STOPPING, undisturbed

__all__ = ["Worker", "processors"]

_PATIENCE = 10.0


class Worker:
    """A worker of one channel, with its processes."""

    def __init__(self, queue: Queue, channel: str, log: Path) -> None:
        self._queue = queue
        self._channel = channel
        self._log = log
        self._process: Any = None

    def start(self, processes: int) -> None:
        """Start it. To be done before any thread is there, for it forks."""
        with undisturbed():  # Ctrl-C must not meet the new process before it has left the terminal's group
            self._process = fork(_work, self._queue, self._channel, self._log, processes, os.getpid())

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return int(self._process.pid)

    @property
    def is_alive(self) -> bool:
        """Return True while it runs."""
        return self._process.exitcode is None

    def last_words(self, count: int = 8) -> str:
        """Return the last lines of its log."""
        try:
            return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
        except OSError:
            return ""

    def stop(self) -> None:
        """End it: running jobs may end first, but not for long."""
        if self._process is None:
            return
        deadline = monotonic() + _PATIENCE
        while self.is_alive:
            self._signal(signal.SIGTERM if monotonic() < deadline else signal.SIGKILL)
            self._process.join(_PATIENCE)
        self._process.close()
        self._process = None

    def _signal(self, number: int) -> None:
        try:
            os.kill(self._process.pid, number)
        except ProcessLookupError:
            return


def processors() -> int:
    """Return how many processors this process may use."""
    # In a container with fewer processors than the machine, only the first of these is right.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(queue: Queue, channel: str, log: Path, processes: int, parent: int) -> None:
    os.setsid()  # Ctrl-C at the terminal is for the parent, which then stops this worker
    die_with_parent(parent)
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(target, 1)
    os.dup2(target, 2)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    set_up_logging("INFO", "text")
    sys.exit(queue.work(channels=[channel], processes=processes))
