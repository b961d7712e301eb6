"""Sends progress reports: rate-limited, and never failing or delaying the job."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from taskq.clock import monotonic, now_ms
from taskq.driver.contract import Driver, Link
from taskq.errors import TaskqError
from taskq.wire.progress import MESSAGE_LIMIT, Progress, pack_progress
from taskq.wire.signing import Signer

__all__ = ["Report", "Reporter", "check_progress"]

_log = logging.getLogger("taskq.worker")
#: At most one report per job in this many seconds; the last one is always sent.
_EVERY = 0.1
#: Seconds without a report after a failure: a job must not wait for an unreachable server.
_REST = 5.0
_PATIENCE = 1.0
#: How long a report is stored.
STORED_MS = 3_600_000


class Reporter:
    """One connection, and one thread, for all jobs of a process.

    A thread sends them, because the newest report must arrive even if the job makes no further call. Code in the job's own thread
    takes no lock: a timeout may be raised in it at any moment.
    """

    def __init__(self, driver: Callable[[], Driver], signer: Signer | None = None) -> None:
        self._make_driver = driver
        self._signer = signer
        self._driver: Driver | None = None
        self._link: Link | None = None
        self._queue: SimpleQueue[Report] = SimpleQueue()
        #: The thread that sends the last reports of coroutine jobs.
        self._last: ThreadPoolExecutor | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self._rest_until = 0.0

    def note(self, report: Report) -> None:
        """Queue a report; the thread sends it soon."""
        pid = os.getpid()
        if not self._pid:
            self._pid = pid
            threading.Thread(target=self._run, name="taskq progress", daemon=True).start()
        if self._pid == pid:  # a process that a job forked has no such thread, and must not use the connection
            self._queue.put(report)

    def send(self, report: Report) -> None:
        """Send the unsent progress of a report now, if the server answers."""
        if not self._lock.acquire(timeout=_PATIENCE):
            return
        try:
            progress = report.latest
            if progress is report.sent or progress is None or monotonic() < self._rest_until or self._pid not in (0, os.getpid()):
                return
            report.sent = progress
            self._send(report.id, progress)
        finally:
            self._lock.release()

    async def asend(self, report: Report) -> None:
        """As `send`, without blocking the event loop while the server hangs. A cancel doesn't stop it, because the job has ended."""
        if self._pid != os.getpid():
            return
        if self._last is None:
            self._last = ThreadPoolExecutor(1, "taskq last progress")
        sending = asyncio.get_running_loop().run_in_executor(self._last, self.send, report)
        while not sending.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([sending])

    def _send(self, message_id: str, progress: Progress) -> None:
        try:
            if self._driver is None:
                self._driver = self._make_driver()
            if self._link is None:
                self._link = self._driver.link(_PATIENCE, fenced=True)
            self._link.call(
                self._driver.report_progress(message_id, pack_progress(progress, bytes.fromhex(message_id), self._signer), STORED_MS)
            )
        except Exception as error:  # any exception: it must affect neither the job nor the thread
            _log.debug("progress report of %s not sent: %s", message_id, error)
            self._rest_until = monotonic() + _REST
            if not isinstance(error, TaskqError) and self._link is not None:
                self._link.close()
        except BaseException:  # the time limit of the job: the reply must not answer the next request
            if self._link is not None:
                self._link.close()
            raise

    def _run(self) -> None:
        while True:
            reports = [self._queue.get()]
            while not self._queue.empty():
                reports.append(self._queue.get())
            for report in reports:
                # Before sending: a report that arrives meanwhile must be queued again.
                report.is_noted = False
                self.send(report)
            time.sleep(_EVERY)


class Report:
    """The progress of one run."""

    __slots__ = ("_attempt", "_reporter", "id", "is_noted", "latest", "sent")

    def __init__(self, reporter: Reporter, message_id: str, attempt: int) -> None:
        self._reporter = reporter
        self.id = message_id
        self._attempt = attempt
        self.latest: Progress | None = None
        self.sent: Progress | None = None
        self.is_noted = False

    def update(self, done: float, total: float | None, message: str) -> None:
        """Note a progress report of the job; the newest one is sent soon.

        Raises:
            ValueError: the values are not a valid progress report.
        """
        check_progress(done, total, message)
        # Replace what can't be stored: a file name may contain invalid UTF-8.
        text = message[:MESSAGE_LIMIT].encode("utf-8", "backslashreplace").decode()
        self.latest = Progress(float(done), None if total is None else float(total), text, now_ms(), self._attempt)
        if not self.is_noted:
            self.is_noted = True
            self._reporter.note(self)

    def flush(self) -> None:
        """Send the unsent progress."""
        self._reporter.send(self)

    async def aflush(self) -> None:
        """Send the unsent progress without blocking the event loop."""
        if self.latest is not self.sent:
            await self._reporter.asend(self)


def check_progress(done: object, total: object, message: object) -> None:
    """Check the arguments of `taskq.progress()`.

    Raises:
        ValueError: one of them is invalid.
    """
    if not _is_number(done):
        raise ValueError(f"taskq.progress(): done must be a finite number; got {done!r}")
    if total is not None and not (_is_number(total) and total > 0):  # type: ignore[operator]
        raise ValueError(f"taskq.progress(): total must be a number above 0, or None; got {total!r}")
    if not isinstance(message, str):
        raise ValueError(f"taskq.progress(): message must be a string; got {message!r}")


def _is_number(value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False
