"""The event loop of a worker process, which all its jobs share: asyncio's, or uvloop's if the channel's settings select it.

The only file that imports uvloop.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from contextvars import Context
from importlib.util import find_spec
from typing import Any

from taskq.clock import monotonic
from taskq.errors import ConfigError, JobTimeout
from taskq.extras import how_to_install

__all__ = ["check_loop", "close_loop", "in_time", "is_of_leftover", "new_loop", "start_task"]

_log = logging.getLogger("taskq.worker")


def check_loop(kind: str, channel: str) -> None:
    """Check that an event loop of this kind can be made.

    Raises:
        ConfigError: uvloop is not installed.
    """
    if kind == "uvloop" and find_spec("uvloop") is None:
        raise ConfigError(f'channel {channel}: loop = "uvloop", but uvloop is not installed; {how_to_install("uvloop")}')


def new_loop(kind: str = "asyncio") -> asyncio.AbstractEventLoop:
    """Create an event loop, and set it as the event loop of this thread. A job can't close it: see `close_loop`."""
    loop: asyncio.AbstractEventLoop
    if kind == "uvloop":
        # Only here, in the process that runs the jobs: no other process needs it.
        import uvloop  # pyright: ignore[reportMissingImports]

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.SelectorEventLoop()
        loop.time = monotonic  # type: ignore[method-assign]  # a test that freezes the time must not stop it
    # Sync jobs close the current event loop, as in a script. The loop and its threads must outlive the job.
    loop.close = _do_nothing  # type: ignore[method-assign]
    loop.shutdown_default_executor = _ado_nothing  # type: ignore[method-assign]
    asyncio.set_event_loop(loop)
    return loop


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop that `new_loop` has made."""
    type(loop).close(loop)


def _do_nothing() -> None:
    pass


async def _ado_nothing(timeout: float | None = None) -> None:
    pass


def is_of_leftover(error: BaseException) -> bool:
    """Return True, and log a warning, if a task that an earlier job has left on the loop has stopped the loop by this exception.

    asyncio lets SystemExit and KeyboardInterrupt through, and any callback may stop the loop.
    """
    if type(error) in (SystemExit, KeyboardInterrupt):
        _log.warning("a task that a job started on the event loop raised %r; this process continues. Await each task in its job", error)
        return True
    return type(error) is RuntimeError and str(error) == "Event loop stopped before Future completed."


def start_task(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None], context: Context) -> asyncio.Task[None]:
    """Start a task on the running loop. In Python 3.12 and later, it runs at once until it first waits, and may be done on return.

    A task that doesn't wait never enters the loop's queue, which would take longer than a short job. A task factory that the app has set
    still makes the task.
    """
    if sys.version_info >= (3, 12) and loop.get_task_factory() is None:
        return asyncio.Task(coroutine, loop=loop, context=context, eager_start=True)
    return loop.create_task(coroutine, context=context)


async def in_time(awaitable: Any, timeout: float) -> Any:
    """Await an awaitable for at most `timeout` seconds (0 = no limit).

    Raises:
        JobTimeout: the limit was reached.
    """
    if not timeout:
        return await awaitable
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await awaitable
    except TimeoutError as error:
        if not limit.expired():
            raise
        cancelled = error.__cause__  # its traceback shows where the job waited
        where = None if cancelled is None else cancelled.__traceback__
        raise JobTimeout(f"the job ran longer than its handle_timeout of {timeout:g} s").with_traceback(where) from None
