"""One lane of a worker that runs several jobs at once: one message at a time, on the event loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from taskq.clock import monotonic, now_ms
from taskq.scoreboard.slot import Slot
from taskq.scoreboard.state import HARD_GRACE
from taskq.wire.message import Message
from taskq.worker.concurrent.threads import ThreadExecutor
from taskq.worker.concurrent.timers import Timer, Timers
from taskq.worker.execute.async_runner import AsyncRunner
from taskq.worker.execute.executor import Executor
from taskq.worker.execute.unpacker import Unpacker
from taskq.worker.execute.verdict import Action, Verdict

__all__ = ["ANNOUNCED", "REFUSED", "CompletionSink", "Lane", "Said", "Tools"]

_log = logging.getLogger("taskq.worker")


class Said:
    """What a lane says beside a verdict."""


#: Its message could not be claimed: others have it, or the worker must look first.
REFUSED = Said()
#: Those who listen have been told of the verdict.
ANNOUNCED = Said()


class CompletionSink(Protocol):
    """Who hears of the end of a run, in whatever thread that is."""

    def add(self, lane: Lane, event: Verdict | Said) -> None: ...

    def stuck(self, lane: Lane, run: int) -> None: ...


class Tools(NamedTuple):
    """What all lanes of a worker share."""

    unpacker: Unpacker
    executor: Executor
    slot: Slot
    timers: Timers
    loop: asyncio.AbstractEventLoop
    worker: str
    max_crashes: int
    #: Called on the loop after a job: puts back the signal handlers that it may have changed.
    tidy: Callable[[], None]


class Lane:
    """Runs what it is given, and says at the desk how it ended."""

    def __init__(self, number: int, tools: Tools, sink: CompletionSink) -> None:
        self.number = number
        self._tools = tools
        self._sink = sink
        self._runner = AsyncRunner(tools.unpacker, tools.executor, self, tools.worker, tools.max_crashes)
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._context = Context()
        self._pid = os.getpid()
        #: Which run this is: what is said late is of another.
        self.run = 0
        self.message: Message

    def take(self, message: Message, context: Context) -> None:
        """Give it the next message, and the context variables that its job begins with."""
        self.message = message
        self._runner.cancelled = {}
        self.run += 1
        self._context = context

    # ---- where the job runs

    def begin_on_loop(self) -> None:
        """Run it as a task. To be called on the event loop."""
        self._runner.must_end = False
        self._task = self._tools.loop.create_task(self._arun(), context=self._context.copy())

    def begin_in_thread(self) -> None:
        """Run it in this lane's thread."""
        self._put(self._run)

    def announce(self, announce: Callable[[], None]) -> None:
        """Tell those who listen what became of the message. In this lane's thread: it may take its time."""

        def announcing() -> None:
            try:
                announce()
            finally:
                self._quiet()
                self._sink.add(self, ANNOUNCED)

        self._put(announcing)

    def break_off(self) -> None:
        """Cancel the task, if it is one, because the worker must end. To be called on the event loop."""
        task = self._task
        if task is None or task.done():
            return
        self._runner.must_end = True
        task.cancel()
        if _is_unbegun(task):  # it ends without a word: the pump would wait for it
            self._task = None
            self._sink.add(self, REFUSED)

    def cancel(self, by: str, executor: ThreadExecutor) -> None:
        """End the running job, because somebody has cancelled it."""
        self._runner.cancelled = {self.message.id: by}
        task = self._task
        if task is not None:
            self._tools.loop.call_soon_threadsafe(task.cancel)
        elif self._thread is not None and self._thread.ident is not None:
            executor.cancel(self._thread.ident)

    def _put(self, work: Callable[[], object]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name=f"taskq-{self.number}", daemon=True)
            self._thread.start()
        self._inbox.put(work)

    def _live(self) -> None:
        while True:
            work = self._inbox.get()
            try:
                self._context.copy().run(work)
            except BaseException:
                _log.exception("a lane of worker %s failed", self._tools.worker)

    def _run(self) -> None:
        started = monotonic()
        if self._claim(started):
            self._end(self._runner.run(self.message, started, now_ms()), started)

    async def _arun(self) -> None:
        started = monotonic()
        if self._claim(started):
            verdict = await self._runner.arun(self.message, started, now_ms())
            self._tools.tidy()
            self._task = None
            self._end(verdict, started)

    def _claim(self, now: float) -> bool:
        if self._tools.slot.claim(self.number, now, self.message.attempts + 1):
            return True
        self._task = None
        self._sink.add(self, REFUSED)
        return False

    def _end(self, verdict: Verdict, started: float) -> None:
        if os.getpid() != self._pid:  # a process that the job forked, and that came back from it: the message isn't its own
            os._exit(0)
        self._quiet()
        if verdict.action is Action.ACK and verdict.kept is None:  # with a result it is settled by more than an ack
            self._tools.slot.lanes.done(self.number)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %s in %.1f ms", self.message.hex_id, verdict.action.value, (monotonic() - started) * 1000)
        self._sink.add(self, verdict)

    # ---- what the supervisor sees, and who looks when the job ignores its limit

    def describe(self, job: str, since_ms: int, deadline: float, retry_ms: int) -> None:
        """Tell what runs from now on, and until when it may."""
        self._tools.slot.lanes.describe(self.number, job, since_ms, deadline, retry_ms)
        self._quiet()
        if deadline:
            run, task = self.run, self._task
            self._timer = self._tools.timers.set(deadline + HARD_GRACE, lambda: self._late(run, task))

    def _quiet(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            self._tools.timers.cancel(timer)

    def _late(self, run: int, task: asyncio.Task[None] | None) -> None:
        if task is None:
            self._sink.stuck(self, run)
        else:  # said on the loop: one that is blocked says nothing, and the supervisor kills the process
            self._tools.loop.call_soon_threadsafe(self._sink.stuck, self, run)


def _is_unbegun(task: asyncio.Task[None]) -> bool:
    """True when the event loop has not come to its first step."""
    coroutine: Any = task.get_coro()
    return inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
