"""Jobs that run too long, each in its own way."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import time

import taskq
from taskq import JobTimeout, Queue
from tests.support.ledger import note

queue = Queue()
TIMEOUT = 0.15


def record(error: BaseException) -> None:
    note("on_fail", [type(error).__name__, str(error)])


def record_slowly(error: BaseException) -> None:
    """Take longer than the job's grace, but not longer than its timeout allows."""
    note("on_fail begins", type(error).__name__)
    time.sleep(1.6)
    note("on_fail ends", type(error).__name__)


def _begin(how: str) -> None:
    note("begin", [how, taskq.current().attempt])


@queue.job(on_fail=record)
def overrun(how: str) -> None:
    """Run for a minute: asleep, in a loop, or deaf to everything."""
    _begin(how)
    if how == "sleep":
        time.sleep(60)
    elif how == "loop":
        while True:
            pass
    elif how == "swallow":
        while True:
            try:
                time.sleep(60)
            except BaseException as error:
                note("swallowed", type(error).__name__)
    elif how == "except Exception":
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)
    elif how == "import":
        from tests.e2e.apps import endless  # noqa: F401
    elif how == "c":
        # A lock that is never free: no signal ends the wait, and the interpreter is held meanwhile.
        lock = ctypes.create_string_buffer(128)
        ctypes.PyDLL(None).pthread_mutex_lock(lock)
        ctypes.PyDLL(None).pthread_mutex_lock(lock)


@queue.job(on_fail=record)
async def aoverrun(how: str) -> None:
    """The same in async code."""
    _begin(how)
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
    elif how == "own timeout":
        await asyncio.wait_for(asyncio.sleep(60), 0.01)


@queue.job
def mends() -> str:
    """Notice the timeout, and end well."""
    _begin("mends")
    try:
        time.sleep(60)
    except JobTimeout:
        note("mended")
    return "done"


@queue.job(handle_timeout=0, on_fail=record)
def patient() -> None:
    _begin("patient")
    time.sleep(0.4)
    note("patient ends")


@queue.job(handle_timeout=2, max_attempts=1, on_fail=record_slowly)
def fails_slowly() -> None:
    _begin("fails_slowly")
    time.sleep(60)


@queue.job(retry_on=OSError, on_fail=record)
async def choosy() -> None:
    _begin("choosy")
    time.sleep(60)


@queue.job
def quick(number: int = 0) -> None:
    note("quick", number)
