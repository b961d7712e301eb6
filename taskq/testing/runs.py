"""Runs the messages of a recording in the process of the test, with the worker's own code."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, NamedTuple, TypeVar

from taskq.clock import monotonic, now_ms
from taskq.driver.contract import Link
from taskq.errors import JobCancelled, JobControl, JobFailed, JobTimeout, Retry
from taskq.exception_groups import leaves_of
from taskq.handle.cancel import read_request
from taskq.jobs.around.wrapper import check_wrappers
from taskq.jobs.hooks import state
from taskq.queue import Queue
from taskq.testing.driver import MemoryDriver
from taskq.testing.store import WORKER
from taskq.tracebacks import from_application
from taskq.wire.history import records
from taskq.wire.message import Message
from taskq.worker.execute.executor import LoopExecutor
from taskq.worker.execute.progress import Report, Reporter
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.unpacker import Unpacker
from taskq.worker.execute.verdict import Action, Verdict
from taskq.worker.fork_guard import exit_if_forked
from taskq.worker.process.lifespan import Lifespan
from taskq.worker.settler import Settler
from taskq.worker.variables import context_maker

__all__ = ["FinishedRun", "QueueRunner", "is_of_the_test", "outside_event_loop"]

#: pytest leaves the functions of this module out of tracebacks.
__tracebackhide__ = True

T = TypeVar("T")


class FinishedRun(NamedTuple):
    """One run: the message, the decision about it, and the exception that the test should see."""

    id: str
    verdict: Verdict
    error: BaseException | None


class _Executor(LoopExecutor):
    """Calls jobs in the thread of the test. It sets no signal handlers: they belong to the test runner.

    So `handle_timeout` limits async jobs only.
    """

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        try:
            result = function(*args, **kwargs)
            return self._await(result, timeout) if hasattr(result, "__await__") else result
        finally:
            exit_if_forked(self._pid)

    def event_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:  # in another thread: there, it becomes the current event loop
            _in_thread(super().event_loop)
        return super().event_loop()

    def cancel(self) -> None:
        """Interrupt the running job, which has cancelled itself.

        Raises:
            JobCancelled: it is a sync job.
        """
        if self._task is None:
            raise JobCancelled("the job was cancelled")
        self._task.get_loop().call_soon(self._task.cancel)

    def close(self) -> None:
        if self._loop is not None:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(tasks) if tasks else asyncio.sleep(0))
        super().close()

    def _is_of_leftover(self, error: BaseException) -> bool:
        return not isinstance(error, KeyboardInterrupt) and super()._is_of_leftover(error)


class _Reporter(Reporter):
    """Stores progress at once, without the thread and the rate limit of a worker."""

    def note(self, report: Report) -> None:
        report.is_noted = False
        self.send(report)


class _Watcher:
    """Does nothing: a test has no watchdog."""

    def describe(self, job: str, since_ms: int, deadline: float, retry_ms: int) -> None:
        pass


class QueueRunner:
    """The jobs of one queue: its startup hooks, and a runner for each channel."""

    def __init__(self, queue: Queue, base: Context) -> None:
        check_wrappers(queue)  # as a worker does when it starts
        self._queue = queue
        self._base = base.copy()
        self._executor = _Executor()
        self._runners: dict[str, tuple[Runner, Settler]] = {}
        self._lifespan: Lifespan | None = None
        self._values: Any = None
        self._new_context = self._base.run(context_maker)

    def run(self, channel: str, driver: MemoryDriver, link: Link, raw: bytes) -> FinishedRun:
        """Run a message that the worker has reserved, and carry out the verdict."""
        message, outer = Message(raw), state._values
        runner, settler = self._runners.get(channel) or self._runner(channel, driver, link)
        if outer is None:
            self._open()
            state.open(self._values)
        try:
            verdict = self._new_context().run(runner.run, message, monotonic(), now_ms())
            settler.settle(message.id, verdict, raw)
            settler.flush()
        finally:
            runner.cancelled = {}
            state.open(outer)
        return FinishedRun(message.hex_id, verdict, _error_of(verdict))

    def _runner(self, channel: str, driver: MemoryDriver, link: Link) -> tuple[Runner, Settler]:
        settings = self._queue.channel(channel)
        unpacker = Unpacker(self._queue, settings, reporter=_Reporter)
        unpacker.generators.thread = None  # in the process of a test, no other thread
        runner = Runner(unpacker, self._executor, _Watcher(), WORKER, settings.max_crashes)

        def cancel(request: bytes) -> None:
            (identity,) = driver.reserved()
            runner.cancelled = {identity: read_request(request, identity, unpacker.results.signer).by}
            self._executor.cancel()

        driver.on_cancel = cancel
        settler = Settler(driver.as_driver(), link, WORKER, stopping=lambda: False, pause=time.sleep)
        made = self._runners[channel] = runner, settler
        return made

    def _open(self) -> None:
        """Open the lifespans and call on_start, before the first run. Raises the exception of a hook."""
        if self._lifespan is not None:
            return
        lifespan = Lifespan(self._queue, self._executor.wait_for)
        try:
            self._base.run(lifespan.enter)
        except BaseException:
            lifespan.close_lifespans()
            raise
        self._lifespan, self._values = lifespan, state._values
        self._new_context = self._base.run(context_maker)

    def close(self) -> None:
        """Call on_stop, close the lifespans and the event loop."""
        outer = state._values
        try:
            if self._lifespan is not None:
                state.open(self._values)
                self._base.run(self._lifespan.close)
        finally:
            state.open(outer)
            self._lifespan = None
            self._executor.close()


def _error_of(verdict: Verdict) -> BaseException | None:
    """Return the exception of a failed run, with the traceback of the job. A deliberate retry is not a failure."""
    error = verdict.error
    if verdict.action not in (Action.RETRY, Action.FAIL) or (verdict.action is Action.RETRY and isinstance(error, Retry)):
        return None
    if error is not None:
        return error.with_traceback(from_application(error))
    past = records(Message(verdict.message).history_bytes())
    return JobFailed(past[-1].error if past else "the job failed")


def is_of_the_test(error: BaseException) -> bool:
    """Return True if an exception that ended a job is meant for the test: Ctrl-C, `pytest.fail()`, the limit of a test."""
    others = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError, JobControl, JobTimeout, JobCancelled)
    return any(not isinstance(leaf, others) for leaf in leaves_of(error))


def outside_event_loop(function: Callable[[], T]) -> T:
    """Call a function where no event loop runs: in a thread, if one runs here. A worker process runs jobs that way, too."""
    if "asyncio" in sys.modules and asyncio._get_running_loop() is not None:
        return _in_thread(function)
    return function()


def _in_thread(function: Callable[[], T]) -> T:
    ended: list[tuple[T] | BaseException] = []

    def call() -> None:
        try:
            ended.append((function(),))
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=copy_context().run, args=(call,), name="taskq testing", daemon=True)
    thread.start()
    thread.join()
    (end,) = ended
    if isinstance(end, BaseException):
        raise end
    return end[0]
