"""One lane of a worker that runs several jobs at once: one message at a time, on the event loop or in a thread."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec

from taskq.clock import monotonic, now_ms
from taskq.scoreboard.slot import Slot
from taskq.scoreboard.state import HARD_GRACE
from taskq.wire.message import Message
from taskq.worker.concurrent.job_threads import JobThreads
from taskq.worker.concurrent.threads import ThreadExecutor
from taskq.worker.concurrent.timers import Timer, Timers
from taskq.worker.execute.async_runner import AsyncRunner
from taskq.worker.execute.eventloop import start_task
from taskq.worker.execute.unpacker import Opened, Unpacker
from taskq.worker.execute.verdict import Action, Verdict, can_wait
from taskq.worker.fork_guard import exit_if_forked
from taskq.worker.variables import NewContext

__all__ = ["Announced", "CompletionSink", "Event", "Finished", "Lane", "Refused", "Stuck", "Tools"]

_log = logging.getLogger("taskq.worker")


class Finished(msgspec.Struct, frozen=True):
    """The run of a lane has ended."""

    lane: Lane
    verdict: Verdict


class Refused(msgspec.Struct, frozen=True):
    """The message of a lane could not be claimed: it was released or reassigned, or the worker must reconcile first."""

    lane: Lane


class Announced(msgspec.Struct, frozen=True):
    """The listeners of a lane's verdict have returned."""

    lane: Lane


class Stuck(msgspec.Struct, frozen=True):
    """A run has ignored its time limit for the grace period."""

    lane: Lane
    run: int


Event = Finished | Refused | Announced | Stuck


class CompletionSink(Protocol):
    """Protocol: receives the events of lanes, from any thread."""

    def add(self, event: Event) -> None: ...


class Tools(NamedTuple):
    """The tools that all lanes of a worker share."""

    unpacker: Unpacker
    threads: JobThreads
    slot: Slot
    timers: Timers
    loop: asyncio.AbstractEventLoop
    worker: str
    max_crashes: int
    #: Called on the loop after a job: restores the signal handlers that the job may have changed.
    tidy: Callable[[], None]
    #: Makes the context that a job begins with.
    new_context: NewContext
    #: Called when a job was interrupted in an import.
    on_import: Callable[[], None] = lambda: None


class Lane:
    """Runs one message at a time, and reports its end to the sink."""

    def __init__(self, number: int, tools: Tools, sink: CompletionSink) -> None:
        self.number = number
        self._tools = tools
        self._sink = sink
        # One for each lane: a cancel must not meet the next job of a thread.
        self._executor = ThreadExecutor(tools.loop, tools.timers, tools.on_import)
        self._runner = AsyncRunner(tools.unpacker, self._executor, self, tools.worker, tools.max_crashes)
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._pid = os.getpid()
        #: The number of the run: a late event may belong to an earlier one.
        self.run = 0
        self.message: Message
        self._opened: Opened | None = None

    def take(self, message: Message, opened: Opened | None) -> None:
        """Take the next message, and its opened body."""
        self.message = message
        self._opened = opened
        self._runner.cancelled = {}
        self.run += 1

    # ---- where the job runs

    def begin_on_loop(self) -> None:
        """Run the message as a task. Call this on the event loop. In Python 3.12 and later, its first step runs in here."""
        self._runner.must_end = False
        task = start_task(self._tools.loop, self._arun(), self._tools.new_context())
        if not task.done():
            self._task = task

    def begin_in_thread(self) -> None:
        """Run the message in a thread."""
        self._tools.threads.put(partial(self._tools.new_context().run, self._run))

    def announce(self, announce: Callable[[], None]) -> None:
        """Call the listeners of the verdict in a thread: they may take their time."""

        def call() -> None:
            try:
                announce()
            finally:
                exit_if_forked(self._pid)  # otherwise a process that a listener forked takes calls from its copy of the inbox
                self._cancel_timer()
                self._sink.add(Announced(self))

        self._tools.threads.put(call)

    def break_off(self) -> None:
        """Cancel the task, if there is one, because the worker must end. Call this on the event loop."""
        task = self._task
        if task is None or task.done():
            return
        self._runner.must_end = True
        task.cancel()
        if _is_unbegun(task):  # it ends without reporting anything, and the pump would wait for it forever
            self._task = None
            self._sink.add(Refused(self))

    def cancel(self, by: str) -> None:
        """Interrupt the running job, because of a cancel request."""
        self._runner.cancelled = {self.message.id: by}
        task = self._task
        if task is not None:
            self._tools.loop.call_soon_threadsafe(task.cancel)
        else:
            self._executor.cancel()

    def _run(self) -> None:
        started = monotonic()
        if self._claim(started):
            self._end(self._runner.run(self.message, started, now_ms(), self._opened), started)

    async def _arun(self) -> None:
        self._task = asyncio.current_task()  # already in the first step, which may block or end the run
        started = monotonic()
        if self._claim(started):
            # Without a variable: the verdict and the frame would keep each other alive, by the traceback of an exception.
            self._end_on_loop(await self._runner.arun(self.message, started, now_ms(), self._opened), started)

    def _end_on_loop(self, verdict: Verdict, started: float) -> None:
        self._tools.tidy()
        self._task = None
        self._end(verdict, started)

    def _claim(self, now: float) -> bool:
        if self._tools.slot.claim(self.number, now, self.message.attempts + 1):
            return True
        self._task = None
        self._sink.add(Refused(self))
        return False

    def _end(self, verdict: Verdict, started: float) -> None:
        exit_if_forked(self._pid)
        if self._timer is not None:
            self._cancel_timer()
        if verdict.action is Action.ACK:
            if (ending := verdict.ending) is None:
                self._tools.slot.lanes.done(self.number)
            elif can_wait(verdict):
                self._tools.slot.end_lane(self.number, ending.data, ending.ttl_ms)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %s in %.1f ms", self.message.hex_id, verdict.action.value, (monotonic() - started) * 1000)
        self._sink.add(Finished(self, verdict))

    # ---- for the supervisor, and for jobs that ignore their limit

    def describe(self, job: str, since_ms: int, deadline: float, retry_ms: int) -> None:
        """Write the running job and its deadline to the scoreboard."""
        self._tools.slot.lanes.describe(self.number, job, since_ms, deadline, retry_ms)
        if self._timer is not None:
            self._cancel_timer()
        if deadline:
            run, task = self.run, self._task
            self._timer = self._tools.timers.set(deadline + HARD_GRACE, lambda: self._late(run, task))

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            self._tools.timers.cancel(timer)

    def _late(self, run: int, task: asyncio.Task[None] | None) -> None:
        if task is None:
            self._sink.add(Stuck(self, run))
        else:  # reported on the loop: if the loop is blocked, the supervisor kills the process
            self._tools.loop.call_soon_threadsafe(self._sink.add, Stuck(self, run))


def _is_unbegun(task: asyncio.Task[None]) -> bool:
    """Return True if the event loop hasn't run the task's first step."""
    coroutine: Any = task.get_coro()
    return inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
