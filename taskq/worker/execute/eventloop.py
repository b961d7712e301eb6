"""The event loop of a worker process: uvloop's if it is installed, otherwise asyncio's. The only file that imports uvloop."""

from __future__ import annotations

import asyncio
from typing import Any

from taskq.clock import monotonic
from taskq.errors import JobTimeout

__all__ = ["in_time", "new_loop"]


def new_loop() -> asyncio.AbstractEventLoop:
    """Create an event loop, and set it as the event loop of this thread."""
    try:
        # Only here, in the process that runs the jobs: no other process needs it.
        import uvloop  # pyright: ignore[reportMissingImports]
    except ImportError:
        loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        loop.time = monotonic  # type: ignore[method-assign]  # it must not stand still below a test that freezes the time
    else:
        loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


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
    except TimeoutError:
        if limit.expired():
            raise JobTimeout(f"the job ran longer than its handle_timeout of {timeout:g} s") from None
        raise
