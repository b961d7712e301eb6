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
from types import FrameType
from typing import Any

from taskq.clock import monotonic
from taskq.errors import JobCancelled, JobTimeout
from taskq.worker.concurrent.timers import Timers
from taskq.worker.execute.eventloop import in_time
from taskq.worker.execute.fork_guard import exit_if_forked

__all__ = ["Interrupt", "ThreadExecutor"]

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_in.restype = ctypes.c_int
_NOTHING = ctypes.py_object()  # a null pointer: withdraws an exception that wasn't raised yet

#: How long a thread in code with locks is spared, how often it is checked, and how often later, in seconds.
_PATIENCE, _AGAIN, _LATER = 0.1, 0.002, 0.02
#: Modules whose code takes locks that all threads need, and can't be interrupted at every step. They may also block forever.
_LOCKING = frozenset({"threading", "importlib", "taskq"})
#: The functions of logging in which a handler's lock is just acquired, or not released yet.
_LOGGING = frozenset({"acquire", "release", "_acquireLock", "_releaseLock", "handle"})


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _locks_logging(frame: FrameType) -> bool:
    """Return True where an exception would leave logging locked for all threads, forever."""
    return frame.f_code.co_name in _LOGGING and _package(frame) == "logging"


def _locks(frame: FrameType) -> bool:
    """Return True in code that may have just acquired a lock, and not reached the `try` that would release it."""
    return _package(frame) in _LOCKING or _locks_logging(frame)


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

    def send(self, kind: type[BaseException], *, spare: Callable[[FrameType], bool] | None = None) -> bool:
        """Raise an exception of this class there, once; after `JobTimeout` no other, and none after `close`. For other threads.

        Args:
            kind: what to raise.
            spare: called with the current frame of the thread. If it returns True, nothing is raised and this returns False: try again.
        """
        with self._senders:
            self._is_sending = True
            # A job that has suppressed a cancel still has a time limit.
            is_due = self._is_open and (self._sent is None or (kind is JobTimeout and self._sent is not JobTimeout))
            frame = sys._current_frames().get(self._thread) if is_due and spare is not None else None
            is_spared = frame is not None and spare is not None and spare(frame)
            if is_due and not is_spared:
                self._sent = kind
                _raise_in(self._thread, kind)
            self._is_sending = False
        return not is_spared

    def close(self) -> None:
        """Stop exceptions from arriving. If one arrives in here, call this again: another may follow."""
        self._is_open = False
        while self._is_sending:
            time.sleep(0)
        if self._sent is not None:
            _raise_in(self._thread, _NOTHING)


class ThreadExecutor:
    """Calls a job in the calling thread. An awaitable that the job returns is awaited on the process's event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timers: Timers) -> None:
        self._loop = loop
        self._timers = timers
        self._pid = os.getpid()
        #: How to interrupt the call in a thread, by thread.
        self._running: dict[int, Callable[[], object]] = {}
        #: Threads whose call must be interrupted.
        self._interrupted: set[int] = set()

    def cancel(self, thread: int) -> None:
        """Interrupt the call in a thread: raise `JobCancelled` in it, or cancel its awaitable."""
        self._interrupted.add(thread)  # first: see `execute`
        if (end := self._running.get(thread)) is not None:
            end()

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        """Call the function and return its result; raises as `SyncExecutor.execute`."""
        thread = threading.get_ident()
        self._interrupted.discard(thread)
        try:
            result = self._call_in_time(function, args, kwargs, timeout)
            if result is None or not inspect.isawaitable(result):
                return result
            future = asyncio.run_coroutine_threadsafe(in_time(result, timeout), self._loop)
            self._running[thread] = future.cancel
            if thread in self._interrupted:  # it came after the function had returned, and before the line above
                future.cancel()
            return future.result()
        finally:
            self._running.pop(thread, None)
            exit_if_forked(self._pid)

    def close(self) -> None:
        """Do nothing: the threads end with their process."""

    def _interrupt(self, interrupt: Interrupt, kind: type[BaseException], until: float = 0.0) -> None:
        """Raise an exception in the thread of a call once it isn't taking a lock; after `until` (monotonic), only logging's count."""
        now = monotonic()
        until = until or now + _PATIENCE
        is_early = now < until
        if not interrupt.send(kind, spare=_locks if is_early else _locks_logging):
            self._timers.set(now + (_AGAIN if is_early else _LATER), lambda: self._interrupt(interrupt, kind, until))

    def _call_in_time(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        try:
            interrupt = Interrupt()
            timer = self._timers.set(monotonic() + timeout, lambda: self._interrupt(interrupt, JobTimeout)) if timeout else None
            # Only now: the line above takes a lock, and an exception in the middle of it would leave it locked forever.
            self._running[threading.get_ident()] = lambda: self._interrupt(interrupt, JobCancelled)
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
        except JobTimeout as error:
            if not error.args:  # only a class can be raised in another thread
                error.args = (f"the job ran longer than its handle_timeout of {timeout:g} s",)
            raise
