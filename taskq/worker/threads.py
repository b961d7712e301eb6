"""Calls jobs in threads: each within its time, which ends by an exception that is raised in the job's own thread."""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from taskq.clock import monotonic
from taskq.errors import JobCancelled, JobTimeout
from taskq.worker.alarm import Alarm
from taskq.worker.eventloop import in_time

__all__ = ["Interrupt", "ThreadExecutor"]

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_in.restype = ctypes.c_int
_NOTHING = ctypes.py_object()  # a null pointer: takes back what wasn't raised yet


class Interrupt:
    """Raises an exception in the thread that made this, at its next bytecode, until it is closed and never after.

    That thread takes no lock here: the exception may arrive between any two steps, also with the lock in hand, which would then stay
    locked for ever. Instead each side says what it does before it looks at what the other does.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._senders = threading.Lock()
        self._is_open = True
        self._is_sending = False
        self._sent: type[BaseException] | None = None

    def send(self, kind: type[BaseException]) -> None:
        """Raise an exception of this class there, once; after `JobTimeout` no other. Does nothing after `close`. For other threads."""
        with self._senders:
            self._is_sending = True
            # Who has swallowed a cancel still has a limit.
            if self._is_open and (self._sent is None or (kind is JobTimeout and self._sent is not JobTimeout)):
                self._sent = kind
                _raise_in(self._thread, kind)
            self._is_sending = False

    def close(self) -> None:
        """Let nothing more arrive. If an exception does arrive in here, this must be called again: one more may be sent."""
        self._is_open = False
        while self._is_sending:
            time.sleep(0)
        if self._sent is not None:
            _raise_in(self._thread, _NOTHING)


class ThreadExecutor:
    """Calls a job in the thread that asks for it. What it returns to be awaited is awaited on the process's event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, alarm: Alarm) -> None:
        self._loop = loop
        self._alarm = alarm
        self._pid = os.getpid()
        #: What runs in which thread: who may be told to end, and by what.
        self._running: dict[int, Callable[[], object]] = {}
        #: Threads whose call was to be ended.
        self._told: set[int] = set()

    def cancel(self, thread: int) -> None:
        """End the call that runs in a thread: `JobCancelled` is raised in it, or what it awaits is cancelled."""
        self._told.add(thread)  # first: see `execute`
        if (end := self._running.get(thread)) is not None:
            end()

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        """Call the function and return its result; raises as `SyncExecutor.execute`."""
        thread = threading.get_ident()
        self._told.discard(thread)
        try:
            result = self._call_in_time(function, args, kwargs, timeout)
            if result is None or not inspect.isawaitable(result):
                return result
            future = asyncio.run_coroutine_threadsafe(in_time(result, timeout), self._loop)
            self._running[thread] = future.cancel
            if thread in self._told:  # after the function had returned, and before the line above
                future.cancel()
            return future.result()
        finally:
            self._running.pop(thread, None)
            # A process that the job forked, and that came back from it: the message, and the record of it, aren't its own.
            if os.getpid() != self._pid:
                os._exit(0)

    def close(self) -> None:
        """Nothing is left open: threads end with their process."""

    def _call_in_time(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        try:
            interrupt = Interrupt()
            bell = self._alarm.set(monotonic() + timeout, lambda: interrupt.send(JobTimeout)) if timeout else None
            # Only now: the line above takes a lock, and an exception in the midst of that would leave it locked for ever.
            self._running[threading.get_ident()] = lambda: interrupt.send(JobCancelled)
            try:
                return function(*args, **kwargs)
            finally:
                # Two exceptions can arrive, each of which breaks off one of these.
                try:
                    interrupt.close()
                finally:
                    try:
                        interrupt.close()
                    finally:
                        interrupt.close()
                        if bell is not None:
                            self._alarm.cancel(bell)
        except JobTimeout as error:
            if not error.args:  # only a class can be raised in another thread
                error.args = (f"the job ran longer than its handle_timeout of {timeout:g} s",)
            raise
