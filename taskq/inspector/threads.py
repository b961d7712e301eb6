"""Run the inspector's methods in threads for async callers. A cancelled caller stops its thread before the next command."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

__all__ = ["Stopped", "check_stopped", "in_thread"]

T = TypeVar("T")
_stop: ContextVar[threading.Event | None] = ContextVar("taskq_inspector_stop", default=None)


class Stopped(Exception):
    """The task that waits for this thread was cancelled."""


def check_stopped() -> None:
    """Raise Stopped if the task that waits for this thread was cancelled. Called before each command."""
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise Stopped


async def in_thread(call: Callable[[], T]) -> T:
    """Call a function in a thread of the event loop's default executor, and return its result."""
    import asyncio  # slow to import, and not needed by sync callers

    stop = threading.Event()

    def run() -> T:
        _stop.set(stop)  # in the thread's copy of the context
        return call()

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        stop.set()
        raise
