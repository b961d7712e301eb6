"""Questions that take several commands, written once for sync and async callers: as generators that only yield what to do next."""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from typing import Any, Protocol, TypeVar

from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.errors import QueueFull, ServerError

__all__ = ["Caller", "Patient", "Steps", "arun", "run"]

T = TypeVar("T")
#: Yields commands, whose replies it is sent, and seconds to wait.
Steps = Generator[Command | float, Any, T]


class Caller(Protocol):
    """Who sends commands: a sender."""

    def call(self, command: Command) -> Any: ...

    async def acall(self, command: Command) -> Any: ...


def run(steps: Steps[T], sender: Caller) -> T:
    """Do what the steps ask for, and return what they return."""
    try:
        wish = next(steps)
        while True:
            try:
                if isinstance(wish, Command):
                    reply = sender.call(wish)
                else:
                    time.sleep(wish)
                    reply = None
            except (ServerError, QueueFull) as error:
                wish = steps.throw(error)
            else:
                wish = steps.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result


async def arun(steps: Steps[T], sender: Caller) -> T:
    """The same from async code."""
    import asyncio

    try:
        wish = next(steps)
        while True:
            try:
                if isinstance(wish, Command):
                    reply = await sender.acall(wish)
                else:
                    await asyncio.sleep(wish)
                    reply = None
            except (ServerError, QueueFull) as error:
                wish = steps.throw(error)
            else:
                wish = steps.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result


class Patient:
    """Bears with a server that doesn't answer: for as long as the caller waits, or, when that is for ever, for a minute."""

    def __init__(self, deadline: float, longest: float = 60.0) -> None:
        self._deadline = deadline
        self._longest = longest
        self._since: float | None = None
        self._pause = 0.05

    def answered(self) -> None:
        """Note that the server answers."""
        self._since, self._pause = None, 0.05

    def pause_after(self, error: Exception) -> float:
        """Return the seconds after which to ask again.

        Raises:
            ServerUnavailable: the server has been away for too long.
        """
        now = monotonic()
        self._since = self._since or now
        if now >= min(self._deadline, self._since + self._longest):
            raise error
        self._pause = min(2.0, self._pause * 2)
        return random.uniform(0.01, self._pause)
