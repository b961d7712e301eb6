"""The connections of one channel in one event loop. Imported at the first async call, because it loads asyncio."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections import deque
from collections.abc import AsyncGenerator

from taskq.driver.contract import AsyncLink, Driver

__all__ = ["IDLE_LIMIT", "LoopLinks", "Loops", "get_running_loop", "open_links"]

#: The maximum number of idle connections of an event loop.
IDLE_LIMIT = 16

Loops = dict[asyncio.AbstractEventLoop, "LoopLinks"]


class LoopLinks:
    """The connections of one event loop, closed with it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        #: The one of all tasks, for commands that don't block.
        self.shared = driver.shared_link()
        self._idle: deque[AsyncLink] = deque()
        self._end = self._close_at_the_end()

    async def start(self) -> None:
        # An event loop closes its async generators when it shuts down (asyncio.run does that): this one closes the connections.
        await anext(self._end)

    async def take(self) -> AsyncLink:
        """Return an idle connection that works, or a new one. No other task uses it until `keep`."""
        if not self._idle:
            return self._driver.async_link()
        link = self._idle.pop()
        try:
            if await link.is_stale():
                await link.close()
        except BaseException:  # cancelled
            await link.close()
            raise
        return link

    async def keep(self, link: AsyncLink) -> None:
        """Keep a connection for the next command, or close it if enough are idle."""
        if len(self._idle) < IDLE_LIMIT:
            self._idle.append(link)
        else:
            await link.close()

    async def close(self) -> None:
        """Close all idle connections, and the shared one after its last reply."""
        await self._end.aclose()

    async def _close_at_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            while self._idle:
                await self._idle.pop().close()
            await self.shared.close()


async def open_links(loops: Loops, driver: Driver) -> LoopLinks:
    """Add the connections of the running event loop to those of others."""
    # A link refers to its loop, so only this removes a closed loop.
    for ended in [one for one in list(loops) if one.is_closed()]:
        loops.pop(ended, None)
    links = loops[get_running_loop()] = LoopLinks(driver)
    await links.start()
    return links
