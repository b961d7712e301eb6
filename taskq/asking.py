"""Questions that take several commands, written once for sync and async callers: as generators that only yield what to do next."""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from typing import Any, NamedTuple, Protocol, TypeVar

from taskq.channel import State
from taskq.clock import monotonic
from taskq.driver.base import Command, Driver
from taskq.errors import QueueFull, ServerError, ServerRefused

__all__ = ["PAGE", "Caller", "Found", "Patient", "Steps", "arun", "find", "find_stray", "run"]

T = TypeVar("T")
#: Yields commands, whose replies it is sent, and seconds to wait.
Steps = Generator[Command | float, Any, T]

#: So many messages are looked through in one call: some tenths of a millisecond of the server's time.
PAGE = 2000
#: In the order in which a message passes through them, so that one that moves on during a search is met further on.
_PENDING = (State.DELAYED, State.WAITING)
_ASIDE = (State.FAILED, State.TIMEOUT, State.PARKED)


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


class Found(NamedTuple):
    """Where a message is."""

    state: State
    message: bytes
    #: Who has reserved it.
    worker: str = ""


def find(driver: Driver, message_id: str, payload: bytes | None = None) -> Steps[Found | None]:
    """Look for a message in every state; None when it is in none. With its bytes as they were pushed it is found sooner."""
    if payload is not None:
        for state in _PENDING:
            if (yield driver.position(state, payload)) is not None:
                return Found(state, payload)
    for state in _PENDING if payload is None else ():
        if found := (yield from _look_through(driver, state, message_id)):
            return Found(state, found)
    if found_reserved := (yield from _among_reserved(driver, message_id)):
        return found_reserved
    # Once more for those whose bytes a retry has changed: by their ids.
    for state in (*_ASIDE, *(_PENDING if payload is not None else ())):
        if found := (yield from _look_through(driver, state, message_id)):
            return Found(state, found)
    return None


def _among_reserved(driver: Driver, message_id: str) -> Steps[Found | None]:
    for name in (yield driver.workers())[::2]:
        worker = name.decode(errors="replace")
        if found := (yield from _look_through(driver, worker, message_id)):
            return Found(State.RESERVED, found, worker)
    return None


def find_stray(driver: Driver, message_id: str) -> Steps[Found | None]:
    """Look for a message that the server has given to a worker which is no more, until a supervisor brings it back.

    It walks through all keys of the server: to be asked before somebody is told that a message is gone.
    """
    cursor: Any = 0
    while True:
        try:
            cursor, keys = yield driver.scan_reserved(cursor)
        except ServerRefused:  # not everybody may walk through the keys
            return None
        for key in keys:
            worker = key.decode(errors="replace").split(":reserved:", 1)[1]
            if found := (yield from _look_through(driver, worker, message_id)):
                return Found(State.RESERVED, found, worker)
        if not int(cursor):
            return None


def _look_through(driver: Driver, place: State | str, message_id: str) -> Steps[bytes | None]:
    start = 0
    while True:
        seen, *found = yield driver.find(place, message_id, start, PAGE)
        if found:
            message: bytes = found[0]
            return message
        if seen < PAGE:
            return None
        start += seen
