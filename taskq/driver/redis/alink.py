"""One connection for asyncio that sends commands: the counterpart of `link`, for applications only.

For commands that block, and for pushes that replicas must confirm. All others use `shared_link`.
"""

from __future__ import annotations

import asyncio
import select
from typing import Any

import redis.asyncio
from redis import exceptions as wire

from taskq.driver.contract import Command
from taskq.driver.redis.address import Address
from taskq.driver.redis.errors import translate
from taskq.errors import ServerUnavailable

__all__ = ["RedisAsyncLink", "ScriptCaller", "ask", "was_closed"]


class ScriptCaller:
    """The part of both links for asyncio that sends a script by its digest, and its text only to a server that doesn't know it."""

    async def call(self, command: Command) -> Any:
        script = command.script
        if script is None:
            return await self._request(command.move, command.words)
        try:
            return await self._request(command.move, ("EVALSHA", script.sha, *command.words))
        except wire.NoScriptError:
            return await self._request(command.move, ("EVAL", script.text, *command.words))

    async def _request(self, move: str, words: tuple[Any, ...]) -> Any:
        raise NotImplementedError


class RedisAsyncLink(ScriptCaller):
    """One connection to the node that holds a channel. Belongs to the event loop that opened it."""

    def __init__(self, address: Address, key: str, timeout: float) -> None:
        self._address = address
        self._key = key
        self._timeout = timeout
        self._connection: redis.asyncio.Connection | None = None
        self._redirected = False

    @property
    def where(self) -> str:
        """The server's URL, without its password."""
        return self._address.text

    async def call(self, command: Command) -> Any:
        self._redirected = False
        return await super().call(command)

    async def confirm(self, command: Command) -> int:
        # As in `link`: another node executed the command.
        return 0 if self._redirected else int(await self.call(command))

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect()

    async def is_stale(self) -> bool:
        """Return True if the server has closed the connection since its last use."""
        return self._connection is not None and was_closed(self._connection)

    async def _request(self, move: str, words: tuple[Any, ...], *, moved: bool = False) -> Any:
        sent = False
        try:
            connection = await self._open()
            packed = connection.pack_command(*words)
            sent = True
            await connection.send_packed_command(packed, check_health=False)
            return await connection.read_response()
        except wire.NoScriptError:
            raise
        except wire.MovedError as error:
            failed = await self._failed(error, move, sent=False)
            if moved or not isinstance(failed, ServerUnavailable):
                raise failed from error
            return await self._request(move, words, moved=True)  # the node did nothing, and named another one
        except wire.AskError as error:
            self._redirected = True
            return await ask(self._address, error, move, words, self._timeout)
        except (wire.RedisError, OSError) as error:
            raise await self._failed(error, move, sent=sent) from error
        except BaseException:
            # Cancelled between request and reply: the next caller would get this reply.
            await self.close()
            raise

    async def _failed(self, error: Exception, move: str, *, sent: bool) -> Exception:
        translated = translate(error, self._address, move, sent=sent)
        if isinstance(translated, ServerUnavailable):
            await self.close()
            self._address.invalidate(self._key, error)
        return translated

    async def _open(self) -> redis.asyncio.Connection:
        connection = self._connection
        if connection is None:
            connection = await self._address.async_connection(self._key, self._timeout)
            await connection.connect()
            self._connection = connection
        return connection


def was_closed(connection: redis.asyncio.Connection) -> bool:
    """Return True if the server has closed an idle connection since its last use."""
    # redis-py checks only its buffer, which the event loop fills later. The socket itself is up to date.
    writer: asyncio.StreamWriter | None = connection._writer
    if writer is None or writer.is_closing():
        return True
    poll = select.poll()
    poll.register(writer.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))


async def ask(address: Address, redirect: wire.AskError, move: str, words: tuple[Any, ...], timeout: float) -> Any:
    """Send the command to the node that the slot is migrating to, this once (Cluster specification: ASK redirection)."""
    connection = address.async_connection_to(redirect.host, redirect.port, timeout)
    sent = False
    try:
        await connection.connect()
        await connection.send_command("ASKING")
        await connection.read_response()
        sent = True
        await connection.send_command(*words)
        return await connection.read_response()
    except wire.NoScriptError:
        raise
    except (wire.RedisError, OSError) as error:
        raise translate(error, address, move, sent=sent) from error
    finally:
        await connection.disconnect()
