"""Connections to the embedded server, which check that its process belongs to this user."""

from __future__ import annotations

import socket
from typing import Any

from redis import asyncio as aio
from redis.connection import UnixDomainSocketConnection

from taskq.driver.peer import refusal, untrusted_peer

__all__ = ["OwnedConnection", "async_class"]


class OwnedConnection(UnixDomainSocketConnection):
    """A connection to an embedded server. The process that accepted it is checked, so no other process can replace it unnoticed."""

    def _connect(self) -> socket.socket:
        sock: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        if (owner := untrusted_peer(sock)) is not None:
            sock.close()
            raise refusal(f"the embedded server at {self.path}", owner)
        return sock


class AsyncOwnedConnection(aio.UnixDomainSocketConnection):
    """The same for asyncio."""

    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[no-untyped-call]
        writer = self._writer
        owner = None if writer is None else untrusted_peer(writer.get_extra_info("socket"))
        if owner is not None:
            await self.disconnect(nowait=True)
            raise refusal(f"the embedded server at {self.path}", owner)


def async_class(kind: type[Any]) -> type[Any]:
    """Return the asyncio class of a connection class."""
    twin: type[Any] = AsyncOwnedConnection if kind is OwnedConnection else getattr(aio, kind.__name__)
    return twin
