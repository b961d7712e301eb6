"""Runs messages whose jobs are coroutine functions, each as a task on the shared event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from taskq import context as contexts
from taskq import events
from taskq.clock import monotonic
from taskq.errors import JobCancelled
from taskq.events import JobEvent
from taskq.wire.message import Message
from taskq.worker.execute.announce import event_of
from taskq.worker.execute.eventloop import in_time
from taskq.worker.execute.executor import Executor
from taskq.worker.execute.run import Run
from taskq.worker.execute.runner import Runner, Watcher
from taskq.worker.execute.unpacker import Opened, Unpacker
from taskq.worker.execute.verdict import Action, Verdict

__all__ = ["AsyncRunner"]

_log = logging.getLogger("taskq.worker")


class AsyncRunner(Runner):
    """A runner that can also await; `run` is for all other jobs, in a thread. The lane clears `cancelled` before each message."""

    #: Set before the task is cancelled because the worker must end.
    must_end = False

    def __init__(self, unpacker: Unpacker, executor: Executor, watcher: Watcher, worker: str, max_crashes: int) -> None:
        super().__init__(unpacker, executor, watcher, worker, max_crashes)
        self._execute = self._execute_unless_cancelled

    def _execute_unless_cancelled(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        # Not a closure: the frame of a failed job refers to its function, which would keep the arguments alive.
        return self._executor.execute(self._call_unless_cancelled, (function, args, kwargs), {}, timeout)

    def _call_unless_cancelled(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Another thread notes a cancel first, and then checks for a call to interrupt: from here on there is one.
        if self.cancelled:
            raise JobCancelled("the job was cancelled")
        return function(*args, **kwargs)

    async def arun(self, message: Message, started: float, since_ms: int, opened: Opened | None = None) -> Verdict:
        """As `run`, for a job that is a coroutine function."""
        run = self.prepare(message, opened)
        if isinstance(run, Verdict):
            return run
        contexts.enter(run)
        if events.before.receivers:
            events.emit(events.before, JobEvent(context=run.context, worker=self._worker))
        timeout = run.timeout
        if timeout:
            self._limit(run, since_ms)
        else:
            self._watcher.describe(run.label, since_ms, 0.0, -1)
        try:
            try:
                if self.cancelled:
                    return self._was_cancelled(run, 0.0)
                awaitable = run.spec.function(*run.args, **run.kwargs)
                value = await (in_time(awaitable, timeout) if timeout else awaitable)
            finally:
                if timeout:
                    self._watcher.describe(run.label, since_ms, 0.0, -1)
                run.leave_on_loop()
                if run.report is not None:
                    await run.report.aflush()
        except asyncio.CancelledError as error:
            if self.must_end:
                return self._broken_off(run, monotonic() - started)
            return self._raised(message, run, error, monotonic() - started).caused_by(error)
        except BaseException as error:
            return self._raised(message, run, error, monotonic() - started).caused_by(error)
        return self._ended_with(message, run, value, started)

    def _broken_off(self, run: Run, seconds: float) -> Verdict:
        text = "worker process %s: %s %s was interrupted at stop_timeout and will run again (no attempt used)"
        _log.warning(text, self._worker, run.context.job, run.context.id)
        announce = event_of(events.requeued, run.context, self._worker, seconds=seconds, reason="interrupted at stop_timeout")
        return Verdict(action=Action.RELEASE, announce=announce)
