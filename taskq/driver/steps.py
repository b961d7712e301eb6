"""Sans-I/O steps shared by the sync and async clients: generators that yield the next command."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from taskq.driver.contract import Command
from taskq.errors import QueueFull, ServerError

__all__ = ["Steps", "arun", "run"]

T = TypeVar("T")
#: Yields commands, and is sent their replies; or yields seconds to wait.
Steps = Generator[Command | float, Any, T]


def run(steps: Steps[T], call: Callable[[Command], Any]) -> T:
    """Send the commands of the steps with `call`, sleep where they ask for it, and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, Command):
                    reply = call(step)
                else:
                    time.sleep(step)
                    reply = None
            except (ServerError, QueueFull) as error:
                step = steps.throw(error)
            else:
                step = steps.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result


async def arun(steps: Steps[T], call: Callable[[Command], Awaitable[Any]]) -> T:
    """Run the steps from async code; see `run`."""
    import asyncio

    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, Command):
                    reply = await call(step)
                else:
                    await asyncio.sleep(step)
                    reply = None
            except (ServerError, QueueFull) as error:
                step = steps.throw(error)
            else:
                step = steps.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
