"""Calls a job's function within its time limit: sync in the main thread, async on the process's event loop."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal

# As in `process.signals`: signal.getsignal takes longer than a short job.
from _signal import getsignal as _getsignal  # type: ignore[import-not-found]
from collections.abc import Callable
from contextvars import Context, copy_context
from types import FrameType
from typing import Any, Protocol

from taskq.clock import monotonic
from taskq.context import adopt
from taskq.errors import JobCancelled, JobTimeout
from taskq.worker.execute.eventloop import close_loop, in_time, is_of_leftover, new_loop
from taskq.worker.execute.places import PATIENCE, Place, place_of
from taskq.worker.fork_guard import exit_if_forked

__all__ = ["Executor", "LoopExecutor", "SyncExecutor"]

_SIGALRM = int(signal.SIGALRM)
#: Seconds until an interruption that waits is tried again: at first, and after `PATIENCE`.
_AGAIN, _LATER = 0.001, 0.02


class Executor(Protocol):
    """Runs one call."""

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any: ...

    def close(self) -> None: ...


class LoopExecutor:
    """Runs calls in the current thread. An async job runs on an event loop that lives as long as the executor."""

    def __init__(self, loop: str = "asyncio") -> None:
        """`loop` is the kind of event loop, as in the settings."""
        self._kind = loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._pid = os.getpid()

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the jobs. It is opened when it is first needed."""
        if self._loop is None:
            self._loop = Context().run(new_loop, self._kind)  # it keeps the context in which it is made
        return self._loop

    def wait_for(self, awaitable: Any) -> Any:
        """Run an awaitable on the event loop of the jobs, and return its result."""
        return self._await(awaitable, 0)

    def close(self) -> None:
        """Close the event loop, if one was opened."""
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            close_loop(self._loop)
            self._loop = None

    def _await(self, awaitable: Any, timeout: float) -> Any:
        loop, context = self.event_loop(), copy_context()
        task = self._task = loop.create_task(in_time(awaitable, timeout), context=context)
        try:
            while True:
                try:
                    return loop.run_until_complete(task)
                except (RuntimeError, SystemExit, KeyboardInterrupt) as error:
                    is_own = task.done() and not task.cancelled() and task.exception() is error
                    if is_own or not self._is_of_leftover(error):
                        raise
        finally:
            self._task = None
            adopt(context)

    def _is_of_leftover(self, error: BaseException) -> bool:
        return is_of_leftover(error)


class SyncExecutor(LoopExecutor):
    """Runs one job at a time, in the main thread. An async job runs on an event loop that lives as long as the process.

    An interval timer limits a sync job: its signal raises `JobTimeout` at the next bytecode, or a little later if that is not
    safe there (see `places`). Code that doesn't return to the interpreter is out of its reach: the supervisor kills the process.
    """

    def __init__(self, on_import: Callable[[], None] = lambda: None, loop: str = "asyncio") -> None:
        """Make an executor.

        Args:
            on_import: called when a job was interrupted in an import. The process must be replaced before the next job.
            loop: the kind of event loop, as in the settings.
        """
        super().__init__(loop)
        self._on_import = on_import
        self._armed = 0.0
        # Stored, because each access to a method creates another object, and the handler is compared after every job.
        self._handler = self._on_alarm
        signal.signal(_SIGALRM, self._handler)

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        """Call the function and return its result, awaited when it is awaitable.

        Raises:
            JobTimeout: it took longer than `timeout` seconds (0 = no limit).
            BaseException: any exception of the function.
        """
        try:
            if timeout:
                return self._execute(function, args, kwargs, timeout)
            result = function(*args, **kwargs)
            return self._await(result, 0) if result is not None and inspect.isawaitable(result) else result
        finally:
            exit_if_forked(self._pid)
            if _getsignal(_SIGALRM) is not self._handler:
                self._silence()

    def _silence(self) -> None:
        """Cancel the alarm of a job that left its own handler behind: it would interrupt the next job, or end the process."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(_SIGALRM, self._handler)

    def _execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        if inspect.iscoroutinefunction(function):
            return self._await(function(*args, **kwargs), timeout)
        result = self._call_in_time(function, args, kwargs, timeout)
        return self._await(result, timeout) if inspect.isawaitable(result) else result

    def _call_in_time(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        self._armed = timeout
        signal.setitimer(signal.ITIMER_REAL, timeout)
        try:
            return function(*args, **kwargs)
        finally:
            self._armed = 0.0
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._interrupt(JobTimeout, f"the job ran longer than its handle_timeout of {self._armed:g} s", frame)

    def cancel(self, frame: FrameType | None) -> None:
        """Interrupt the running call: cancel an async job, raise `JobCancelled` in a sync one. Call this in a signal handler.

        Args:
            frame: the interrupted frame. The exception is expected only inside `execute`.
        """
        if self._task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
            return
        if _call_of(frame) is not None:
            self._interrupt(JobCancelled, "the job was cancelled", frame)

    def _interrupt(self, kind: type[BaseException], text: str, frame: FrameType | None) -> None:
        """Raise an exception in the running call, now or as soon as that is safe."""
        current = _getsignal(_SIGALRM)
        if place_of(frame, _EXECUTE, is_late=False) is Place.FREE or (current is not self._handler and type(current) is not _Waiting):
            raise kind(text)
        waiting = _Waiting(self, kind, text, frame, signal.getitimer(signal.ITIMER_REAL)[0])
        if _getsignal(_SIGALRM) is self._handler:  # otherwise another exception waits already
            # In this order: the alarm must not meet the other handler, however slowly this one runs.
            signal.signal(_SIGALRM, waiting)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)

    def _raise_waiting(self, waiting: _Waiting, place: Place) -> None:
        """Raise a waiting exception: the call is in a safe place now. The limit stays in force."""
        signal.signal(_SIGALRM, self._handler)
        if waiting.limit_at:
            signal.setitimer(signal.ITIMER_REAL, max(waiting.limit_at - monotonic(), _AGAIN))
        if place is Place.IMPORT:
            self._on_import()
        raise waiting.kind(waiting.text)


class _Waiting:
    """An exception that waits until the call may be interrupted. Meanwhile, it is the handler of SIGALRM; `_silence` removes it."""

    def __init__(self, executor: SyncExecutor, kind: type[BaseException], text: str, frame: FrameType | None, left: float) -> None:
        """`left` are the seconds until the limit of the call; 0: it has none, or has reached it."""
        self.kind, self.text = kind, text
        now = monotonic()
        self.limit_at = now + left if left else 0.0
        self._executor = executor
        self._call = _call_of(frame)
        self._patient_until = now + PATIENCE

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if _call_of(frame) is not self._call or (self.kind is JobTimeout and not self._executor._armed):
            return  # the call has ended
        is_late = monotonic() > self._patient_until
        place = place_of(frame, _EXECUTE, is_late=is_late)
        if place is not Place.PROTECTED:
            self._executor._raise_waiting(self, place)
        signal.setitimer(signal.ITIMER_REAL, _LATER if is_late else _AGAIN)


def _call_of(frame: FrameType | None) -> FrameType | None:
    """Return the frame of `execute` that a frame belongs to."""
    while frame is not None and frame.f_code is not _EXECUTE:
        frame = frame.f_back
    return frame


_EXECUTE = SyncExecutor.execute.__code__
