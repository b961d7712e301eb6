"""The way out: sends messages to channels over kept connections, from any thread, from any event loop, after any fork."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from taskq.clock import monotonic
from taskq.driver.base import AsyncLink, Command, Driver, Link
from taskq.errors import PushOutcomeUnknown, ServerUnavailable, TaskqError

__all__ = ["Sender"]

#: A connection that lay idle for longer is looked at before it is trusted with a push.
FRESH_SECONDS = 0.1
#: How long a repeatable push is repeated while the server doesn't answer.
REPEAT_SECONDS = 10.0


class Sender:
    """Sends the commands of one channel's driver."""

    def __init__(self, driver: Driver, revive: Callable[[], object] | None = None) -> None:
        """Send with this driver; `revive` is called when the server doesn't answer, and starts it again if it is ours."""
        self.driver = driver
        self._revive = revive
        self._restart()

    def _restart(self) -> None:
        self._pid = os.getpid()
        self._idle: deque[tuple[Link, float]] = deque()
        self._idle_async: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, deque[AsyncLink]] = weakref.WeakKeyDictionary()

    def call(self, command: Command) -> Any:
        """Send a command over an idle connection, or a new one; raises as `Link.call`."""
        link = self._take()
        try:
            reply = link.call(command)
        except ServerUnavailable as error:
            link.close()
            if error.sent:
                raise
            # Nothing had left. The server may have been restarted: once more, over a new connection.
            if self._revive is not None:
                self._revive()
            link = self.driver.link()
            reply = link.call(command)
        except TaskqError:  # an answer, if not the one hoped for: the connection is as good as before
            self._idle.append((link, monotonic()))
            raise
        except BaseException:
            # Interrupted between request and reply (Ctrl-C, a job's timeout): the reply must not answer the next request.
            link.close()
            raise
        self._idle.append((link, monotonic()))
        return reply

    def _take(self) -> Link:
        if self._pid != os.getpid():
            # A forked child must not share its parent's connections: replies would go astray.
            self._restart()
        try:
            link, used = self._idle.pop()
        except IndexError:
            return self.driver.link()
        if monotonic() - used > FRESH_SECONDS and link.is_stale():
            link.close()
        return link

    async def acall(self, command: Command) -> Any:
        """The same from async code. Connections belong to the event loop that opened them."""
        if self._pid != os.getpid():
            self._restart()
        idle = self._idle_async.setdefault(asyncio.get_running_loop(), deque())
        link = idle.pop() if idle else self.driver.async_link()
        if await link.is_stale():
            await link.close()
        try:
            reply = await link.call(command)
        except ServerUnavailable as error:
            await link.close()
            if error.sent:
                raise
            if self._revive is not None:
                await asyncio.to_thread(self._revive)
            link = self.driver.async_link()
            reply = await link.call(command)
        except TaskqError:  # an answer, if not the one hoped for: the connection is as good as before
            idle.append(link)
            raise
        idle.append(link)
        return reply

    def push(self, command: Command, handle: Any, *, repeatable: bool = False) -> None:
        """Send a push. A repeatable one is repeated until the server answers.

        Raises:
            PushOutcomeUnknown: the connection broke after the push had left.
            ServerUnavailable: the server doesn't answer; nothing was stored.
        """
        deadline = monotonic() + REPEAT_SECONDS
        pause = 0.05
        sent = False
        while True:
            try:
                self.call(command)
                return
            except ServerUnavailable as error:
                sent = sent or error.sent
                if not repeatable or monotonic() + pause > deadline:
                    raise _outcome(error, handle, sent) from error
            time.sleep(pause)
            pause = min(1.0, pause * 2)

    async def apush(self, command: Command, handle: Any, *, repeatable: bool = False) -> None:
        """The same from async code."""
        deadline = monotonic() + REPEAT_SECONDS
        pause = 0.05
        sent = False
        while True:
            try:
                await self.acall(command)
                return
            except ServerUnavailable as error:
                sent = sent or error.sent
                if not repeatable or monotonic() + pause > deadline:
                    raise _outcome(error, handle, sent) from error
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 2)

    def close(self) -> None:
        """Close the idle connections. The sender can be used again."""
        while self._idle:
            self._idle.pop()[0].close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        idle = self._idle_async.pop(asyncio.get_running_loop(), deque())
        while idle:
            await idle.pop().close()


def _outcome(error: ServerUnavailable, handle: Any, sent: bool) -> Exception:
    if not sent:
        return error
    return PushOutcomeUnknown(
        f"{error}. The push had left: it may or may not be stored. handle.delete() withdraws it; "
        "with options(once=True) taskq repeats such a push without storing it twice.",
        handle,
    )


def batches(items: Sequence[Any], sizes: Sequence[int], *, count: int = 500, limit: int = 8 << 20) -> list[Sequence[Any]]:
    """Cut into batches of at most `count` items and about `limit` bytes: one request must not hold the server for long."""
    cut, start, weight = [], 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start >= count or weight + size > limit):
            cut.append(items[start:index])
            start, weight = index, 0
        weight += size
    if start < len(items):
        cut.append(items[start:])
    return cut
