"""Logs the start and the end of a server outage, once each."""

from __future__ import annotations

import logging

from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.errors import QueueFull, ServerUnavailable

__all__ = ["Outage"]

_log = logging.getLogger("taskq.worker")
#: Seconds after which a rejected command may never be sent again: then the reply to any other ends the outage.
_CALM = 12.0


class Outage:
    """Remembers which outage has been logged."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._since: float | None = None
        self._is_logged = False
        self._is_full = False
        #: The rejected command, and when it was rejected last: the server may still answer others.
        self._refused: object = None
        self._refused_at = 0.0

    def failed(self, error: Exception, command: Command) -> None:
        """Note that a command failed."""
        if isinstance(error, QueueFull):
            self._log_full(error)
            return
        is_first, self._since = self._since is None, self._since or monotonic()
        if isinstance(error, ServerUnavailable):
            if is_first:  # a broken connection: usually the next one works, and there is nothing to log
                _log.debug("worker %s: %s", self._worker, error)
                return
        else:
            self._refused, self._refused_at = _name(command), monotonic()
        if not self._is_logged:
            self._is_logged = True
            _log.error("worker %s: %s; retrying", self._worker, error)

    def answered(self, command: Command) -> None:
        """Note that a command was answered."""
        if self._since is None:
            return
        if self._refused is not None and self._refused != _name(command) and monotonic() < self._refused_at + _CALM:
            return
        if self._is_logged:
            _log.warning("worker %s: the server is reachable again after %.1f s", self._worker, monotonic() - self._since)
        self._since, self._is_logged, self._refused = None, False, None

    def has_room(self) -> None:
        """Note that the server answered a command that it rejects while its memory is full."""
        if self._is_full:
            self._is_full = False
            _log.warning("worker %s: the server has memory again", self._worker)

    def _log_full(self, error: Exception) -> None:
        if not self._is_full:
            self._is_full = True
            _log.error("worker %s: %s; continuing with waiting messages", self._worker, error)


def _name(command: Command) -> object:
    return command.script.sha if command.script is not None else command.words[0]
