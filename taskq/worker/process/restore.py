"""What a job may have changed around itself, put back for the next ones.

The working directory and the mask of blocked signals go back after each batch (of a few milliseconds), and (in `waiter` and
`executor`) the signal handlers after each job. The environment, sys.path and the event loop policy don't: libraries change them
when a job first imports them, and rely on it later. `max_messages = 1` gives each job a process of its own.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ProcessState"]

_log = logging.getLogger("taskq.worker")
#: The supervisor's words. A job that has blocked them, and not let them through again, would make this process deaf.
_HANDLED = (signal.SIGTERM, signal.SIGUSR2)


class ProcessState:
    """A picture of the process as it was before the first job, compared after every batch: a look takes as long as a very short job."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self._folder = Path.cwd()
        self._pid = os.getpid()
        # A descriptor that was closed and opened again by a job has the same number and another file behind it.
        self._files = {fd: _identity(fd) for fd in descriptors}
        self._is_logged = False

    def restore(self) -> bool:
        """Put back what was changed. False: the process can't be trusted any more, and must be replaced."""
        if os.getpid() != self._pid:  # forked without Python's knowledge, and come back: the messages aren't its own
            os._exit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        if _folder() != self._folder:
            if not self._is_logged:
                self._is_logged = True
                _log.warning("a job changed the working directory of its process; it is put back after the jobs that were reserved with it")
            try:
                os.chdir(self._folder)
            except OSError as error:
                _log.error("pid %d is replaced: it can't go back to its working directory: %s", self._pid, error)
                return False
        if any(_identity(fd) != was for fd, was in self._files.items()):
            _log.error("pid %d is replaced: a job has closed file descriptors that aren't its own", self._pid)
            return False
        return True


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino
