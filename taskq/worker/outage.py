"""Says in the log that the server can't be worked with, once, and once that it can again."""

from __future__ import annotations

import logging

from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.errors import QueueFull, ServerUnavailable

__all__ = ["Outage"]

_log = logging.getLogger("taskq.worker")


class Outage:
    """What one worker has said of its server."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._since: float | None = None
        self._is_logged = False
        self._is_full = False
        #: The command that was refused: others may be answered all the while.
        self._refused: object = None

    def failed(self, error: Exception, command: Command) -> None:
        """Note that a command failed."""
        if isinstance(error, QueueFull):
            self._log_full(error)
            return
        is_first, self._since = self._since is None, self._since or monotonic()
        if isinstance(error, ServerUnavailable):
            if is_first:  # a connection that broke: mostly the next one works, and there is nothing to tell
                _log.debug("worker %s: %s", self._worker, error)
                return
        else:
            self._refused = _name(command)
        if not self._is_logged:
            self._is_logged = True
            _log.error("worker %s: %s; trying again until it does", self._worker, error)

    def answered(self, command: Command) -> None:
        """Note that a command was answered."""
        if self._since is None or (self._refused is not None and self._refused != _name(command)):
            return
        if self._is_logged:
            _log.warning("worker %s: the server answers again after %.1f s", self._worker, monotonic() - self._since)
        self._since, self._is_logged, self._refused = None, False, None

    def has_room(self) -> None:
        """Note that a command that a full server refuses was answered."""
        if self._is_full:
            self._is_full = False
            _log.warning("worker %s: the server has room again", self._worker)

    def _log_full(self, error: Exception) -> None:
        if not self._is_full:
            self._is_full = True
            _log.error("worker %s: %s; going on with what waits", self._worker, error)


def _name(command: Command) -> object:
    return command.script.sha if command.script is not None else command.words[0]
