"""The link of all tasks of an event loop: one connection, on which their commands are pipelined."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

from redis import exceptions as wire

from taskq.driver.redis.address import Address
from taskq.driver.redis.alink import ScriptCaller, ask
from taskq.driver.redis.errors import translate
from taskq.driver.redis.pipeline import Lost, Pipeline
from taskq.errors import ServerUnavailable

__all__ = ["RedisSharedLink"]

Words = tuple[Any, ...]


class RedisSharedLink(ScriptCaller):
    """Sends the commands of many tasks over one connection. Belongs to the event loop that opened it.

    For commands that don't block: the replies to all later commands would wait for one that does.
    """

    def __init__(self, address: Address, key: str, timeout: float) -> None:
        self._address = address
        self._key = key
        self._timeout = timeout
        self._pipeline: Pipeline | None = None
        self._opening: asyncio.Task[None] | None = None
        # One task waits for room at a time, so that they continue in their order.
        self._gate = asyncio.Lock()

    async def close(self) -> None:
        if (opening := self._opening) is not None:
            await asyncio.wait((opening,))
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            await pipeline.close()

    async def _request(self, move: str, words: Words, *, moved: bool = False) -> Any:
        pipeline = self._pipeline
        if pipeline is None or pipeline.is_retired or pipeline.is_full or (pipeline.is_idle and pipeline.is_stale()):
            pipeline = await self._ready(move)
        reply = await pipeline.request(words)
        if isinstance(reply, Exception):
            return await self._failed(reply, pipeline, move, words, moved=moved)
        return reply

    async def _failed(self, error: Exception, pipeline: Pipeline, move: str, words: Words, *, moved: bool) -> Any:
        """Follow a redirection, or raise taskq's error for an error reply."""
        if isinstance(error, wire.NoScriptError):
            raise error
        if isinstance(error, wire.AskError) and not isinstance(error, wire.MovedError):
            return await ask(self._address, error, move, words, self._timeout)
        error, sent = (error.error, error.sent) if isinstance(error, Lost) else (error, False)
        translated = translate(error, self._address, move, sent=sent)
        if isinstance(translated, ServerUnavailable) or isinstance(error, wire.AuthenticationError):
            await self._replace(pipeline, error)
        if moved or not isinstance(error, wire.MovedError) or not isinstance(translated, ServerUnavailable):
            raise translated from error
        return await self._request(move, words, moved=True)  # the node did nothing, and named another one

    async def _replace(self, pipeline: Pipeline, error: Exception) -> None:
        """Use another connection from now on. The commands that wait on this one still get their replies."""
        if pipeline is self._pipeline:  # only the first of its callers: the others must not invalidate what was learned since
            self._pipeline = None
            self._address.invalidate(self._key, error)
        await pipeline.retire()

    async def _ready(self, move: str) -> Pipeline:
        """Return a connection that takes commands.

        Raises:
            ServerUnavailable, ServerRefused: the server is unreachable, or rejects the connection; nothing was sent.
        """
        is_new = False
        try:
            while True:
                pipeline = self._pipeline
                if pipeline is None or pipeline.is_retired:
                    await self._open()
                    is_new = True
                elif pipeline.is_full:
                    async with asyncio.timeout(self._timeout), self._gate:
                        if pipeline.is_full:
                            await pipeline.wait_for_room()
                # A new one may have something to read: why the server rejects it, or a ticket of TLS.
                elif not is_new and pipeline.is_idle and pipeline.is_stale():
                    self._pipeline = None
                    await pipeline.retire()
                else:
                    return pipeline
        except TimeoutError as error:
            raise translate(wire.TimeoutError("Timeout writing to the server"), self._address, move, sent=False) from error
        except (wire.RedisError, OSError) as error:
            translated = translate(error, self._address, move, sent=False)
            if isinstance(translated, ServerUnavailable):
                self._address.invalidate(self._key, error)
            raise translated from error

    async def _open(self) -> None:
        # A separate task, because a caller may be cancelled while others wait for the same connection.
        opening = self._opening
        # An eager task may fail at once, and one that is cancelled before it begins doesn't reset `_opening`.
        if opening is None or opening.done():
            opening = self._opening = Context().run(asyncio.get_running_loop().create_task, self._connect())
            opening.add_done_callback(_retrieve)
        await asyncio.wait((opening,))
        if not opening.cancelled():  # otherwise, the caller tries again: it is not cancelled itself
            opening.result()

    async def _connect(self) -> None:
        try:
            connection = await self._address.async_connection(self._key, self._timeout)
            try:
                await connection.connect()
                pipeline = Pipeline(connection, self._timeout)
                await asyncio.sleep(0)
                if pipeline.is_stale():
                    await pipeline.check_accepted()
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            self._pipeline = pipeline
        finally:
            self._opening = None


def _retrieve(opening: asyncio.Task[None]) -> None:
    """Look at the error, because all callers may have been cancelled. asyncio would log it."""
    if not opening.cancelled():
        opening.exception()
