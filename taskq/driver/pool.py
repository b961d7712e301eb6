"""The connection pool of a channel, for use from any thread, any event loop, and after any fork."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from taskq.driver.contract import AsyncLink, Command, Driver, Link
from taskq.driver.steps import Steps, arun, run
from taskq.errors import ServerRefused, ServerUnavailable, TaskqError

if TYPE_CHECKING:
    import asyncio

__all__ = ["LinkPool", "Unconfirmed"]

#: The maximum number of idle connections, for all threads together, and for each event loop.
IDLE_LIMIT = 16
#: The time for replicas to confirm a push, in milliseconds. Shorter than a link's timeout.
CONFIRM_MS = 2_000
#: Event loops of a parent process, with their connections. A forked child must not even clean them up: the sockets are shared.
_of_parents: list[Any] = []


class Unconfirmed(ServerUnavailable):
    """The push is stored, but too few replicas confirmed it."""

    def __init__(self, text: str) -> None:
        super().__init__(text, sent=True)


class LinkPool:
    """The connections of one channel. Sends the commands of its driver."""

    def __init__(self, driver: Driver, revive: Callable[[], object] | None = None, *, replicas: int = 0) -> None:
        """Connect at first use.

        Args:
            driver: the driver of the channel.
            revive: restarts the embedded server; called when the server is unreachable.
            replicas: the number of replicas that must confirm a push.
        """
        self.driver = driver
        #: The number of replicas that must confirm a push.
        self.replicas = replicas
        self._revive = revive
        self._checked = False
        self._links = _Links()

    def _own(self) -> _Links:
        """Return the connections of this process. A forked child must not share its parent's: each would read the other's replies."""
        links = self._links
        if links.pid != os.getpid():
            _of_parents.extend(links.loops.values())
            links = self._links = _Links()  # in one step: another thread of the child may look at any moment
        return links

    def call(self, command: Command, *, replicas: int = 0) -> Any:
        """Send a command over an idle connection, or a new one. Raises as `Link.call`, and ServerTooOld.

        Args:
            command: the command.
            replicas: the number of replicas that must confirm it; with fewer, Unconfirmed is raised.
        """
        link = self._take()
        try:
            return self._call(link, command, replicas)
        except ServerUnavailable as error:
            if error.sent:
                raise
        # Nothing was sent. The server may have been restarted: try again over a new connection.
        if self._revive is not None:
            self._revive()
        return self._call(self.driver.link(), command, replicas)

    def _call(self, link: Link, command: Command, replicas: int) -> Any:
        try:
            if not self._checked:
                run(self._check_version(), link.call)
            reply = link.call(command)
            if replicas:
                run(self._confirm(link.where, replicas), link.confirm)
        except ServerUnavailable:
            link.close()
            raise
        except TaskqError:  # an error reply: the connection still works
            self._keep(link)
            raise
        except BaseException:
            # Interrupted between request and reply (Ctrl-C, a job's timeout): the next request must not get this reply.
            link.close()
            raise
        self._keep(link)
        return reply

    def lend(self, link: Link) -> None:
        """Let the commands of this thread use the connection of another owner while it is idle. A broken one is closed."""
        links = self._own()
        links.lent, links.borrower = link, threading.get_ident()

    def _keep(self, link: Link) -> None:
        links = self._links
        if link is links.lent:
            return
        if len(links.idle) < IDLE_LIMIT:
            links.idle.append(link)
        else:
            link.close()

    # ---- the same for sync and async

    def _check_version(self) -> Steps[None]:
        """Check the server's version, once per process: an old server fails with misleading errors, or not at all."""
        try:
            reply = yield self.driver.version()
        except ServerRefused:
            pass  # this user may not ask; the command itself shows what else is rejected
        except ServerUnavailable as error:
            error.sent = False  # the command itself was not sent
            raise
        else:
            self.driver.check_version(reply)
        self._checked = True

    def _confirm(self, where: str, replicas: int) -> Steps[None]:
        """Check that enough replicas have what was sent last over this connection."""
        try:
            count = yield self.driver.confirm(replicas, CONFIRM_MS)
        except TaskqError as error:
            raise Unconfirmed(str(error)) from error
        if count < replicas:
            text = f"only {count} of {replicas} replicas confirmed the push within {CONFIRM_MS / 1000:g} s (wait_replicas)"
            raise Unconfirmed(f"the server at {where}: {text}")

    def _take(self) -> Link:
        links = self._own()
        link = links.lent
        if link is None or link.is_busy or threading.get_ident() != links.borrower:
            try:
                link = links.idle.pop()
            except IndexError:
                return self.driver.link()
        # A restarted server has closed it: whether a push over it was stored would remain unknown. The check costs 2 µs.
        if link.is_stale():
            link.close()
        return link

    async def acall(self, command: Command, *, replicas: int = 0) -> Any:
        """Send a command from async code; see `call`. Connections belong to the event loop that opened them."""
        links = await self._links_of_loop()
        try:
            return await self._acall(links, await links.take(), command, replicas)
        except ServerUnavailable as error:
            if error.sent:
                raise
        if self._revive is not None:
            import asyncio

            await asyncio.to_thread(self._revive)
        return await self._acall(links, self.driver.async_link(), command, replicas)

    async def _acall(self, links: _LoopLinks, link: AsyncLink, command: Command, replicas: int) -> Any:
        try:
            if not self._checked:
                await arun(self._check_version(), link.call)
            reply = await link.call(command)
            if replicas:
                await arun(self._confirm(link.where, replicas), link.confirm)
        except ServerUnavailable:
            await link.close()
            raise
        except TaskqError:
            await links.keep(link)
            raise
        except BaseException:
            await link.close()
            raise
        await links.keep(link)
        return reply

    async def _links_of_loop(self) -> _LoopLinks:
        import asyncio

        loops, loop = self._own().loops, asyncio.get_running_loop()
        links = loops.get(loop)
        if links is None:
            # A link refers to its loop, so only this removes a closed loop.
            for ended in [one for one in list(loops) if one.is_closed()]:
                loops.pop(ended, None)
            links = loops[loop] = _LoopLinks(self.driver)
            await links.start()
        return links

    def close(self) -> None:
        """Close the idle connections. The pool can be used again."""
        idle = self._own().idle
        with contextlib.suppress(IndexError):  # another thread may take the last one
            while True:
                idle.pop().close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        import asyncio

        links = self._own().loops.pop(asyncio.get_running_loop(), None)
        if links is not None:
            await links.close()


class _Links:
    """The connections of one process."""

    __slots__ = ("borrower", "idle", "lent", "loops", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.idle: deque[Link] = deque()
        self.lent: Link | None = None
        self.borrower = 0
        self.loops: dict[asyncio.AbstractEventLoop, _LoopLinks] = {}


class _LoopLinks:
    """The idle connections of one event loop, closed with it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._idle: deque[AsyncLink] = deque()
        self._end = self._close_at_the_end()

    async def start(self) -> None:
        # An event loop closes its async generators when it shuts down (asyncio.run does that): this one closes the connections.
        await anext(self._end)

    async def take(self) -> AsyncLink:
        """Return an idle connection that works, or a new one."""
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
        """Close all idle connections."""
        await self._end.aclose()

    async def _close_at_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            while self._idle:
                await self._idle.pop().close()
