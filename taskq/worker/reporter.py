"""Sends what jobs tell of their progress: seldom enough to cost nothing, and never so that a job fails or waits for it."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable

from taskq.awaiting import Progress, pack_progress
from taskq.clock import monotonic, now_ms
from taskq.driver.base import Driver, Link
from taskq.errors import TaskqError

__all__ = ["Report", "Reporter"]

_log = logging.getLogger("taskq.worker")
#: At most one in so many seconds is sent for each job; the last is always sent.
_EVERY = 0.1
#: How long a server that doesn't answer isn't asked again: a job shall not wait for this.
_REST = 5.0
_PATIENCE = 1.0
#: How long it is kept after it was told.
KEPT_MS = 3_600_000
MESSAGE_LIMIT = 500


class Reporter:
    """One connection for all jobs of a process."""

    def __init__(self, driver: Callable[[], Driver]) -> None:
        self._make_driver = driver
        self._driver: Driver | None = None
        self._link: Link | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self._rest_until = 0.0

    def send(self, message_id: str, progress: Progress) -> None:
        """Tell the server, if it answers."""
        now = monotonic()
        with self._lock:
            if now < self._rest_until:
                return
            try:
                if self._driver is None:
                    self._driver = self._make_driver()
                if self._link is None or self._pid != os.getpid():  # a copy that a job has forked must not write into our connection
                    self._link, self._pid = self._driver.link(_PATIENCE), os.getpid()
                self._link.call(self._driver.tell_progress(message_id, pack_progress(progress), KEPT_MS))
            except TaskqError as error:
                _log.debug("the progress of %s isn't told: %s", message_id, error)
                self._rest_until = now + _REST
            except BaseException:  # a job's time is over: the reply must not answer the next request
                if self._link is not None:
                    self._link.close()
                raise


class Report:
    """What one run has told of its progress."""

    __slots__ = ("_attempt", "_id", "_reporter", "_sent_at", "_unsent")

    def __init__(self, reporter: Reporter, message_id: str, attempt: int) -> None:
        self._reporter = reporter
        self._id = message_id
        self._attempt = attempt
        self._sent_at = -math.inf
        self._unsent: Progress | None = None

    def tell(self, done: float, total: float | None, message: str) -> None:
        """Take in what the job tells, and send it when the last is long enough ago.

        Raises:
            ValueError: it is no progress.
        """
        _check(done, total, message)
        self._unsent = Progress(done, total, message[:MESSAGE_LIMIT], now_ms(), self._attempt)
        now = monotonic()
        if now - self._sent_at >= _EVERY:
            self._sent_at = now
            self.flush()

    def flush(self) -> None:
        """Send what isn't sent yet."""
        progress, self._unsent = self._unsent, None
        if progress is not None:
            self._reporter.send(self._id, progress)


def _check(done: object, total: object, message: object) -> None:
    if not _is_number(done):
        raise ValueError(f"taskq.progress(): done must be a finite number, not {done!r}")
    if total is not None and not (_is_number(total) and total > 0):  # type: ignore[operator]
        raise ValueError(f"taskq.progress(): total must be a number above 0, or None, not {total!r}")
    if not isinstance(message, str):
        raise ValueError(f"taskq.progress(): message must be text, not {message!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
