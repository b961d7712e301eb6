"""Hands the log records of the supervisor to the handlers in a thread: a handler may wait for a reader, but the supervisor must not."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from queue import SimpleQueue

from taskq.logs import lost_lines

__all__ = ["LogThread"]

#: The loggers of the code that the supervisor runs.
_NAMES = ("taskq.supervisor", "taskq.driver")
#: Records that may wait for the handlers.
_LIMIT = 1000
#: Seconds that the last records get at shutdown.
_LAST_SECONDS = 2.0
#: Seconds that a handler gets to finish a record before a fork.
_PAUSE_SECONDS = 0.5


class LogThread:
    """The thread that logs for the supervisor, from `start` to `close`."""

    def __init__(self) -> None:
        self._loggers = {name: logging.getLogger(name) for name in _NAMES}
        self._records: SimpleQueue[logging.LogRecord | None] = SimpleQueue()
        #: Records that were dropped, and those of them that were logged as lost.
        self._lost = self._reported = 0
        #: Held while handlers run.
        self.busy = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True, name="taskq-log")

    def start(self) -> None:
        # Signals must reach the main thread, which may wait in a system call.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for logger in self._loggers.values():
            logger.addFilter(self._take)
        _running.append(self)

    def close(self) -> None:
        """Log what is left, unless the handlers wait for too long."""
        _running.remove(self)
        for logger in self._loggers.values():
            logger.removeFilter(self._take)
        self._records.put(None)
        self._thread.join(_LAST_SECONDS)

    def _take(self, record: logging.LogRecord) -> bool:
        """The filter of the loggers: keep the record for the thread. A forked process doesn't have that thread."""
        if self not in _running:
            return True
        if self._records.qsize() < _LIMIT:
            self._records.put(record)
        else:
            self._lost += 1
        return False

    def _run(self) -> None:
        while (record := self._records.get()) is not None:
            self._handle(record)
            if self._records.empty() and (lost := self._lost - self._reported):
                self._handle(lost_lines(lost))
                self._reported += lost

    def _handle(self, record: logging.LogRecord) -> None:
        # A handler of the program that raises must not end the log.
        with self.busy, contextlib.suppress(Exception):
            self._loggers.get(record.name, self._loggers["taskq.supervisor"]).callHandlers(record)


_running: list[LogThread] = []
_held: list[threading.Lock] = []


def _before_fork() -> None:
    # The locks of a handler that is running would stay locked in the new process. One that waits for its reader is not waited for.
    _held.extend(one.busy for one in _running if one.busy.acquire(timeout=_PAUSE_SECONDS))


def _after_fork() -> None:
    while _held:
        _held.pop().release()


def _in_child() -> None:
    _running.clear()
    _held.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
