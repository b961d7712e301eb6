"""A server in the test's own event loop that sends only the replies of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import hiredis

from taskq.config import ChannelSettings
from taskq.driver.contract import Command
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.redis.shared_link import RedisSharedLink
from tests.support.wait import until

__all__ = ["Client", "Scripted", "scripted"]


class Client(asyncio.Protocol):
    """One connection to the scripted server."""

    def __init__(self, server: Scripted) -> None:
        self._server = server
        self._reader = hiredis.Reader()
        #: The number of pieces in which the commands came.
        self.pieces = 0
        #: The commands that came.
        self.commands: list[list[bytes]] = []
        self.is_closed = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.clients.append(self)
        if not self._server.reads:
            transport.pause_reading()
        if self._server.last_words:
            self.reply(self._server.last_words)
            transport.close()

    def data_received(self, data: bytes) -> None:
        self.pieces += 1
        self._reader.feed(data)
        while (command := self._reader.gets()) is not False:
            self.commands.append(command)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True

    def reply(self, *replies: bytes) -> None:
        """Send replies, such as b"+OK"."""
        self.transport.write(b"".join(reply + b"\r\n" for reply in replies))


class Scripted:
    """The server, and a link to it."""

    def __init__(self, path: Path) -> None:
        #: False: it reads nothing from the connections that are made from now on.
        self.reads = True
        #: Not empty: the reply to each new connection, which is closed then.
        self.last_words = b""
        self.clients: list[Client] = []
        self._driver = RedisDriver(f"unix://{path}", ChannelSettings(name="tests", channel="tests"))
        self.link: RedisSharedLink = self._driver.shared_link(30.0)

    def call(self, *words: bytes | str) -> asyncio.Task[object]:
        """Send a command in a task."""
        return asyncio.create_task(self.link.call(Command("test", words)))

    async def got(self, count: int, client: int = 0) -> Client:
        """Wait until so many commands have come over a connection; return the connection."""
        await until(lambda: len(self.clients) > client and len(self.clients[client].commands) >= count)
        return self.clients[client]


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[Scripted]:
    """Run a scripted server in the running event loop."""
    path = folder / "scripted.sock"
    server = Scripted(path)
    listener = await asyncio.get_running_loop().create_unix_server(lambda: Client(server), path)
    try:
        yield server
    finally:
        for client in server.clients:
            client.transport.abort()
        await server.link.close()
        listener.close()
