"""Jobs that run too long beside others that must not suffer from it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time

import taskq
from taskq import JobTimeout, Queue
from tests.support.ledger import note

queue = Queue()
LIMIT = 0.2


def record(error: BaseException) -> None:
    note("on_fail", [type(error).__name__, str(error), taskq.current().job.rpartition(":")[2]])


@queue.job(handle_timeout=LIMIT, max_attempts=1, on_fail=record)
def overrun(how: str) -> None:
    """Run for a minute in a thread: in Python code, or where no exception can be raised."""
    note("begin", how)
    until = time.monotonic() + 60
    if how == "python":
        while time.monotonic() < until:
            time.sleep(0.005)
    elif how == "sleep":
        time.sleep(60)
    elif how == "mends":
        try:
            while time.monotonic() < until:
                time.sleep(0.005)
        except JobTimeout:
            note("mended")
    elif how == "import":
        from tests.e2e.apps import endless  # noqa: F401
    elif how == "c":
        # A lock that is never free: no signal ends the wait, and the interpreter is held meanwhile.
        lock = ctypes.create_string_buffer(128)
        ctypes.PyDLL(None).pthread_mutex_lock(lock)
        ctypes.PyDLL(None).pthread_mutex_lock(lock)


@queue.job(handle_timeout=LIMIT, max_attempts=1, on_fail=record)
async def aoverrun(how: str) -> None:
    """The same on the event loop."""
    note("begin", how)
    if how == "sleep":
        try:
            await asyncio.sleep(60)
        finally:
            note("cleaned up")
    elif how == "swallow":
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                note("swallowed")
    elif how == "blocking":
        time.sleep(60)


@queue.job
def hold(path: str, name: str = "") -> None:
    note("start", [name, taskq.current().attempt])
    while not os.path.exists(path):
        time.sleep(0.005)
    note("end", name)


@queue.job
async def ahold(path: str, name: str = "") -> None:
    note("start", [name, taskq.current().attempt])
    while not os.path.exists(path):
        await asyncio.sleep(0.005)
    note("end", name)


@queue.job(on_lost="timeout")
async def careful(path: str, name: str = "") -> None:
    note("start", [name, taskq.current().attempt])
    while not os.path.exists(path):
        await asyncio.sleep(0.005)
    note("end", name)


@queue.job
def quick(number: int = 0) -> None:
    note("quick", number)
