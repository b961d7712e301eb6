"""Waiting for a condition instead of sleeping for a guess."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], *, timeout: float = 30.0, interval: float = 0.01, what: str = "") -> T:
    """Call `predicate` until it returns something true, and return that.

    Raises:
        AssertionError: it stayed false for `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what or predicate}; last value: {value!r}")
        time.sleep(interval)


async def until(predicate: Callable[[], object]) -> None:
    """Let the event loop run until `predicate` returns something true, for at most 30 seconds."""
    async with asyncio.timeout(30):
        while not predicate():
            await asyncio.sleep(0.001)


def when(predicate: Callable[[], object], action: Callable[[], object]) -> threading.Thread:
    """Start a thread that calls `action` when `predicate` is true. It looks each millisecond."""

    def wait() -> None:
        wait_until(predicate, interval=0.001)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def main_thread_takes_a_lock() -> bool:
    """Return True while the main thread waits in `with condition:` for the lock of a `threading.Condition`."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    return frame.f_code is threading.Condition.__enter__.__code__
