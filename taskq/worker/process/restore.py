"""Restores process-wide state that a job may have changed.

The working directory and the mask of blocked signals are restored after each batch (of a few milliseconds); the signal handlers
(in `signals` and `executor`) after each job. The environment, sys.path and the event loop policy are not: libraries change them
at their first import, and rely on the change later. `max_messages = 1` gives each job a separate process.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence

from taskq.stdio.output import flush_and_report
from taskq.worker.fork_guard import exit_if_forked

__all__ = ["ProcessState"]

_log = logging.getLogger("taskq.worker")
#: The signals of the supervisor. If a job blocked them and didn't unblock them, this process would never receive them.
_HANDLED = (signal.SIGTERM, signal.SIGUSR2)


class ProcessState:
    """A snapshot of the process from before the first job, compared after every batch: the check takes as long as a very short job."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        #: None if it was removed, as an old release of the app: there is nothing to restore then.
        self._folder = _folder()
        self._pid = os.getpid()
        # A descriptor that a job closed and opened again has the same number, but refers to another file.
        self._files = {fd: _identity(fd) for fd in descriptors}
        self._is_logged = False

    def restore(self) -> bool:
        """Restore the state. Return False if that is impossible and the process must be replaced."""
        exit_if_forked(self._pid)
        for text in flush_and_report():
            _log.warning(text)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        if self._folder is not None and (now := _folder()) != self._folder and not self._return_to(self._folder, now):
            return False
        if any(_identity(fd) != was for fd, was in self._files.items()):
            _log.error("replacing worker process (pid %d): a job closed file descriptors of the worker", self._pid)
            return False
        return True

    def _return_to(self, folder: str, now: str | None) -> bool:
        try:
            os.chdir(folder)
        except OSError as error:
            if now is not None:
                _log.error("replacing worker process (pid %d): its working directory can't be restored: %s", self._pid, error)
                return False
            # Another process couldn't enter it either.
            _log.warning(
                "the working directory %s no longer exists; jobs still run in it. Restart the worker in an existing directory", folder
            )
            self._folder = None
            return True
        if not self._is_logged:
            self._is_logged = True
            what = "a job changed the working directory of its process" if now else "the working directory of a process was removed"
            _log.warning("%s; it is restored after the current batch", what)
        return True


def _folder() -> str | None:
    try:
        return os.getcwd()  # Path.cwd takes as long as a short job
    except OSError:  # it was removed
        return None


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino
