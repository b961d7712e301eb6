"""Calls jobs in threads, each within its time limit: at the limit, an exception is raised in the job's thread."""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from types import FrameType
from typing import Any

from taskq.clock import monotonic
from taskq.context import adopt
from taskq.errors import JobCancelled, JobTimeout
from taskq.exception_groups import leaves_of
from taskq.worker.concurrent.timers import Timers
from taskq.worker.execute.eventloop import in_time
from taskq.worker.execute.places import PATIENCE, Place, has_left_import, place_of
from taskq.worker.fork_guard import exit_if_forked

__all__ = ["Interrupt", "ThreadExecutor"]

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_in.restype = ctypes.c_int
_NOTHING = ctypes.py_object()  # a null pointer: withdraws an exception that wasn't raised yet

#: Seconds until a thread that must not be interrupted is looked at again: at first, and after `PATIENCE`.
_AGAIN, _LATER = 0.001, 0.01


class Interrupt:
    """Raises an exception in the thread that created it, at the next bytecode, until it is closed and never after.

    That thread takes no lock here. The exception may arrive between any two steps, even while it holds a lock, which would then stay
    locked forever. Instead, each side writes its own flag before it reads the flag of the other.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._senders = threading.Lock()
        self._is_open = True
        self._is_sending = False
        self._sent: type[BaseException] | None = None

    def send(self, kind: type[BaseException], *, look: Callable[[FrameType | None], Place] = lambda frame: Place.FREE) -> Place:
        """Raise an exception of this class there, once; after `JobTimeout` no other, and none after `close`. For other threads.

        Args:
            kind: what to raise.
            look: called with the current frame of the thread. If it returns `PROTECTED`, nothing is raised: try again.

        Returns:
            Where the thread was.
        """
        with self._senders:
            self._is_sending = True
            # A job that has suppressed a cancel still has a time limit.
            is_due = self._is_open and (self._sent is None or (kind is JobTimeout and self._sent is not JobTimeout))
            place = look(sys._current_frames().get(self._thread)) if is_due else Place.FREE
            if is_due and place is not Place.PROTECTED:
                self._sent = kind
                _raise_in(self._thread, kind)
            self._is_sending = False
        return place

    def close(self) -> None:
        """Stop exceptions from arriving. If one arrives in here, call this again: another may follow."""
        self._is_open = False
        while self._is_sending:
            time.sleep(0)
        if self._sent is not None:
            _raise_in(self._thread, _NOTHING)


class ThreadExecutor:
    """Calls the jobs of one lane, in the calling thread. An awaitable that a job returns is awaited on the process's event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timers: Timers, on_import: Callable[[], None] = lambda: None) -> None:
        """`on_import` is called when a job was interrupted in an import: the process must be replaced before the next job."""
        self._on_import = on_import
        self._loop = loop
        self._timers = timers
        self._pid = os.getpid()
        #: Interrupts the call that is running.
        self._end: Callable[[], object] | None = None
        #: True if that call must be interrupted.
        self._is_cancelled = False

    def cancel(self) -> None:
        """Interrupt the running call: raise `JobCancelled` in its thread, or cancel its awaitable."""
        self._is_cancelled = True  # first: see `execute`
        if (end := self._end) is not None:
            end()

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        """Call the function and return its result; raises as `SyncExecutor.execute`."""
        self._is_cancelled = False
        contexts: list[Context] = []
        try:
            result = self._call_in_time(function, args, kwargs, timeout)
            if result is None or not inspect.isawaitable(result):
                return result
            future = asyncio.run_coroutine_threadsafe(_noting(result, timeout, contexts), self._loop)
            self._end = future.cancel
            if self._is_cancelled:  # it came after the function had returned, and before the line above
                future.cancel()
            return future.result()
        finally:
            self._end = None
            for context in contexts:
                adopt(context)
            exit_if_forked(self._pid)

    def close(self) -> None:
        """Do nothing: the threads end with their process."""

    def _interrupt(self, interrupt: Interrupt, kind: type[BaseException], until: float = 0.0) -> None:
        """Raise an exception in the thread of a call once that is safe there. `until` (monotonic): see `places.PATIENCE`.

        The exception arrives when the thread runs again. If it was not waiting for a reply or for another thread, but has moved on since
        it was looked at, it may arrive elsewhere. That requires a thread switch within a few microseconds.
        """
        now = monotonic()
        until = until or now + PATIENCE
        is_late = now >= until
        place = interrupt.send(kind, look=lambda frame: place_of(frame, _EXECUTE, is_late=is_late))
        if place is Place.PROTECTED:
            self._timers.set(now + (_LATER if is_late else _AGAIN), lambda: self._interrupt(interrupt, kind, until))
        elif place is Place.IMPORT:
            self._on_import()

    def _call_in_time(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        try:
            interrupt = Interrupt()
            timer = self._timers.set(monotonic() + timeout, lambda: self._interrupt(interrupt, JobTimeout)) if timeout else None
            # Only now: the line above takes a lock, and an exception in the middle of it would leave it locked forever.
            self._end = lambda: self._interrupt(interrupt, JobCancelled)
            try:
                return function(*args, **kwargs)
            finally:
                # Two exceptions can arrive, each of which interrupts one of these.
                try:
                    interrupt.close()
                finally:
                    try:
                        interrupt.close()
                    finally:
                        interrupt.close()
                        if timer is not None:
                            self._timers.cancel(timer)
        except (JobTimeout, JobCancelled, BaseExceptionGroup) as error:
            for leaf in leaves_of(error):
                if isinstance(leaf, JobTimeout) and not leaf.args:  # only a class can be raised in another thread
                    leaf.args = (f"the job ran longer than its handle_timeout of {timeout:g} s",)
                if isinstance(leaf, (JobTimeout, JobCancelled)) and has_left_import(leaf.__traceback__):
                    self._on_import()
            raise


async def _noting(awaitable: Any, timeout: float, contexts: list[Context]) -> Any:
    """Await in time, and note the context variables at the end."""
    try:
        return await in_time(awaitable, timeout)
    finally:
        contexts.append(copy_context())


_EXECUTE = ThreadExecutor.execute.__code__
