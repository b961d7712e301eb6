"""The modes manual and inline: messages stay in memory, and run in the process of the test."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

from taskq.driver.pool import LinkPool
from taskq.errors import TaskqError
from taskq.queue import Queue
from taskq.testing.driver import MemoryDriver, MemoryLink
from taskq.testing.outbox import MemoryPool, PushLog
from taskq.testing.runs import FinishedRun, QueueRunner, is_of_the_test, outside_event_loop
from taskq.testing.store import ChannelStore, Store
from taskq.worker.execute.verdict import Action

__all__ = ["MemoryBackend"]

#: pytest leaves the functions of this module out of tracebacks.
__tracebackhide__ = True


class MemoryBackend:
    """Keeps the messages of the recorded queues, and runs them."""

    url: str | None = None

    def __init__(self, push_log: PushLog, *, inline: bool, raises: bool) -> None:
        self._push_log = push_log
        self._inline = inline
        self._raises = raises
        self._store = Store()
        self._link: Any = MemoryLink(self._store.lock)
        self._base = copy_context()
        self._drivers: dict[tuple[Queue, str], MemoryDriver] = {}
        self._runners: dict[Queue, QueueRunner] = {}
        #: Held while a job runs: what a job pushes in mode inline runs after it.
        self._running = threading.Lock()

    def pool(self, queue: Queue, channel: str) -> LinkPool:
        """Return the connections of a channel."""
        place = self._store.places[queue, channel] = ChannelStore()
        driver = self._drivers[queue, channel] = MemoryDriver(self._store, place, queue.channel(channel).channel, self._advice)
        return MemoryPool(driver, self._pushed)

    def _pushed(self, words: Sequence[Any]) -> None:
        self._push_log.record(words)
        if self._inline:
            self._run_due()

    def _advice(self, message_id: str, state: str) -> str:
        if state == "reserved":
            return f"message {message_id} is running: nothing else runs in this test before it ends"
        if state == "parked":
            return f"message {message_id} is parked: no job of that name is in this process. Import its module in the test"
        if state == "delayed":
            return f"message {message_id} is delayed, and nothing runs it in this test before travel(seconds), or run_all(delayed=True)"
        if self._inline:
            return f"message {message_id} has not run: in mode inline, what a job pushes runs after that job"
        return f"message {message_id} has not run: in mode manual, nothing runs it before run_one() or run_all()"

    # ---- runs

    def run_one(self, *, raises: bool) -> str:
        """Run the oldest message that is due, and return its id."""
        with self._alone("run_one"):
            ran = outside_event_loop(self._next)
        if ran is None:
            due = self._store.next_due_ms()
            left = (
                "none is delayed" if due is None else f"the next is due in {(due - self._store.now_ms()) / 1000:g} s: use travel(seconds)"
            )
            raise TaskqError(f"run_one() found no message that is due; {left}")
        _raise(ran, raises=raises)
        return ran.id

    def run_all(self, *, delayed: bool, raises: bool, limit: int) -> int:
        """Run all messages that are due, and those that they push; return how many ran."""
        with self._alone("run_all"):
            return outside_event_loop(lambda: self._drain(delayed=delayed, raises=raises, limit=limit))

    def _run_due(self) -> None:
        """Run due messages. If a job is running, they run after it."""
        while self._store.has_due() and self._running.acquire(blocking=False):
            try:
                outside_event_loop(lambda: self._drain(delayed=False, raises=self._raises, limit=_LIMIT))
            finally:
                self._running.release()

    def _drain(self, *, delayed: bool, raises: bool, limit: int) -> int:
        count = 0
        while True:
            while (ran := self._next()) is not None:
                count += ran.verdict.action is not Action.PARK
                _raise(ran, raises=raises)
                if count >= limit and (self._store.has_due() or (delayed and self._store.next_due_ms() is not None)):
                    raise TaskqError(f"{limit} jobs have run, and more are due: does a job push itself? Otherwise use run_all(limit=...)")
            due = self._store.next_due_ms() if delayed else None
            if due is None:
                return count
            self._store.travelled_ms += max(0, due - self._store.now_ms())

    def _next(self) -> FinishedRun | None:
        taken = self._store.take()
        if taken is None:
            return None
        (queue, channel), raw = taken
        runner = self._runners.get(queue)
        if runner is None:
            runner = self._runners[queue] = QueueRunner(queue, self._base)
        return runner.run(channel, self._drivers[queue, channel], self._link, raw)

    def _alone(self, what: str) -> threading.Lock:
        if self._running.locked():
            raise TaskqError(f"{what}() was called while a job of this recording is running")
        return self._running

    # ---- state

    def travel(self, milliseconds: int) -> None:
        """Advance the clock of delays. In mode inline, run what is due then."""
        self._store.travelled_ms += milliseconds
        if self._inline:
            self._run_due()

    def pending(self) -> set[str]:
        """Return the ids of the messages that are waiting or delayed."""
        return self._store.pending()

    def clear(self) -> None:
        """Forget all messages and results."""
        self._store.clear()

    def close(self) -> None:
        """Call on_stop, and close what the jobs have opened."""
        while self._runners:
            _, runner = self._runners.popitem()
            outside_event_loop(runner.close)


#: The maximum number of runs that one push causes in mode inline: a job that pushes itself would never end.
_LIMIT = 1000


def _raise(ran: FinishedRun, *, raises: bool) -> None:
    if ran.error is not None and (raises or is_of_the_test(ran.error)):
        raise ran.error
