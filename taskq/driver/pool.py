"""The connection pool of a channel, for use from any thread, any event loop, and after any fork."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from taskq.driver.contract import AsyncLink, Command, Driver, Link
from taskq.driver.steps import Steps, arun, run
from taskq.errors import ServerRefused, ServerUnavailable, TaskqError

if TYPE_CHECKING:
    from taskq.driver.loop_links import LoopLinks, Loops

__all__ = ["LinkPool", "Unconfirmed"]

#: The maximum number of idle connections of all threads together.
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
        from taskq.driver.loop_links import get_running_loop, open_links

        loops = self._own().loops
        links = loops.get(get_running_loop()) or await open_links(loops, self.driver)
        if replicas or command.move == "wait":
            return await self._acall_alone(links, command, replicas)
        link = links.shared
        try:
            if not self._checked:
                await arun(self._check_version(), link.call)
            return await link.call(command)
        except ServerUnavailable as error:
            if error.sent:
                raise
        await self._arevive()
        return await link.call(command)

    async def _acall_alone(self, links: LoopLinks, command: Command, replicas: int) -> Any:
        """Send a command over a connection that no other task uses meanwhile.

        One that blocks would delay the replies to all others. So would WAIT, which confirms what its own connection has sent.
        """
        try:
            return await self._acall(links, await links.take(), command, replicas)
        except ServerUnavailable as error:
            if error.sent:
                raise
        await self._arevive()
        return await self._acall(links, self.driver.async_link(), command, replicas)

    async def _arevive(self) -> None:
        if self._revive is not None:
            import asyncio

            await asyncio.to_thread(self._revive)

    async def _acall(self, links: LoopLinks, link: AsyncLink, command: Command, replicas: int) -> Any:
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

    def close(self) -> None:
        """Close the idle connections. The pool can be used again."""
        idle = self._own().idle
        with contextlib.suppress(IndexError):  # another thread may take the last one
            while True:
                idle.pop().close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        from taskq.driver.loop_links import get_running_loop

        links = self._own().loops.pop(get_running_loop(), None)
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
        self.loops: Loops = {}
