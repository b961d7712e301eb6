"""An open connection for asyncio that many tasks share: commands are sent without waiting for the replies to earlier ones.

The commands of one loop tick leave in one write. The server replies in order, so each reply belongs to the first command that waits.
A task runs only while replies are awaited, so an idle connection leaves nothing behind when its event loop ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import Any

import redis.asyncio
from redis import exceptions as wire
from redis.connection import HiredisRespSerializer
from redis.utils import HIREDIS_AVAILABLE

from taskq.driver.redis.alink import was_closed

__all__ = ["Lost", "Pipeline"]

#: The maximum of bytes in commands without a reply. Further commands wait before they are packed. redis-py's `drain` isn't enough:
#: in Python 3.12.0 to 3.12.8 and 3.13.0 to 3.13.1, it never waits after `writelines` (CVE-2024-12254).
LOAD_LIMIT = 4 << 20
#: Up to this number of bytes, one piece is faster to write than many.
JOIN_LIMIT = 64 << 10
#: After a deadline, the time in seconds to read replies that have arrived: the event loop may have been blocked.
GRACE = 0.1
#: Errors that are the reply to one command. Every other error concerns the connection.
_REPLIES = (wire.ResponseError, wire.BusyLoadingError, wire.AuthenticationError, wire.AuthorizationError)


class Lost(Exception):
    """A command has no reply: the connection broke, or the reply is late."""

    def __init__(self, error: Exception, *, sent: bool) -> None:
        """`sent`: the server may have executed the command."""
        super().__init__(str(error))
        self.error = error
        self.sent = sent


class _Batch:
    """Commands that are sent in one write, and the futures of those without a reply."""

    __slots__ = ("deadline", "is_late", "pieces", "size", "waiting")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self.waiting: deque[asyncio.Future[Any]] = deque()
        self.deadline = 0.0
        self.is_late = False

    def fail(self, error: Exception, *, sent: bool) -> None:
        """Report the error to all that wait. Their futures stay, because their replies may follow."""
        for future in self.waiting:
            if not future.done():
                future.set_result(Lost(error, sent=sent))


class Pipeline:
    """An open connection of redis-py, used by all tasks of its event loop."""

    def __init__(self, connection: redis.asyncio.Connection, timeout: float) -> None:
        """Take over a connected connection. `timeout`: seconds to write commands, and then to wait for a reply."""
        # redis-py would set a timer for each reply, and close the connection. Here, one timer is enough: `_expire`.
        connection.socket_timeout = None
        self._connection = connection
        # The packer that redis-py uses for its blocking connections takes a third of the time.
        self._pack = HiredisRespSerializer().pack if HIREDIS_AVAILABLE else connection.pack_command
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._unsent = _Batch()
        self._sent: deque[_Batch] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_starting = False
        self._timer: asyncio.TimerHandle | None = None
        # Bytes of commands without a reply.
        self._load = 0
        self._room = asyncio.Event()
        #: True: new commands need another connection. This one closes after the last reply.
        self.is_retired = False

    @property
    def is_full(self) -> bool:
        """True while too many bytes have no reply: see `wait_for_room`."""
        return self._load >= LOAD_LIMIT

    @property
    def is_idle(self) -> bool:
        """True while no reply is awaited."""
        return not self._sent and not self._unsent.waiting

    def is_stale(self) -> bool:
        """Return True if the server has closed the idle connection since its last use."""
        return was_closed(self._connection)

    async def check_accepted(self) -> None:
        """Raise the error with which the server rejects a new connection, such as that it has no room. Data of TLS are ignored."""
        await self._connection.read_response(timeout=GRACE, disconnect_on_error=False)

    def request(self, words: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Send a command with the others of this loop tick.

        Returns:
            A future of its reply. An error reply is a result too, and so is `Lost`. A caller may cancel the future.
        """
        pieces = self._pack(*words)
        future = self._loop.create_future()
        batch = self._unsent
        batch.waiting.append(future)
        batch.pieces += pieces
        size = sum(map(len, pieces))
        batch.size += size
        self._load += size
        if self._sender is None:
            self._start()
        return future

    async def wait_for_room(self) -> None:
        """Wait until replies have come, or the connection is broken."""
        self._room.clear()
        await self._room.wait()

    async def retire(self) -> None:
        """Close the connection after the last reply. New commands need another one."""
        self.is_retired = True
        if self.is_idle:
            await self._disconnect()

    async def close(self) -> None:
        """Wait for the replies, and close the connection."""
        self.is_retired = True
        while tasks := [task for task in (self._sender, self._reader) if task is not None]:
            await asyncio.wait(tasks)
        await self._disconnect(wait=True)

    def _start(self) -> None:
        self._is_starting = True
        # An empty context: a task of many callers must not keep the variables of one.
        self._sender = Context().run(self._loop.create_task, self._run())
        self._is_starting = False
        self._sender.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Continue if the sender was cancelled before it began, as by a program that cancels all tasks. None of its code has run."""
        if self._sender is not task:
            return
        self._sender = None
        if all(future.done() for future in self._unsent.waiting):
            self._load -= self._unsent.size
            self._unsent = _Batch()
            self._room.set()
        else:
            self._start()

    async def _run(self) -> None:
        """Send what there is, and read the replies unless another task does."""
        if self._is_starting:  # an eager task: the other commands of this tick are still to come
            await asyncio.sleep(0)
        try:
            try:
                await self._send()
                if self._reader is not None:
                    return
                self._reader = self._sender
            finally:
                self._sender = None
            try:
                await self._read()
            finally:
                self._reader = None
        except (wire.RedisError, OSError) as error:
            await self._break(error)
        except BaseException as error:  # cancelled, by the end of the event loop
            await self._break(wire.ConnectionError(f"the connection was given up ({type(error).__name__})"))
            raise

    async def _send(self) -> None:
        while (batch := self._unsent).waiting:
            self._unsent = _Batch()
            self._sent.append(batch)
            pieces = [b"".join(batch.pieces)] if batch.size <= JOIN_LIMIT else batch.pieces
            batch.pieces = []
            self._set_deadline(batch)
            await self._connection.send_packed_command(pieces, check_health=False)
            self._set_deadline(batch)  # writing may have taken a while

    async def _read(self) -> None:
        read, sent = self._connection.read_response, self._sent
        while sent:
            waiting = sent[0].waiting
            while waiting:
                try:
                    reply = await read(disconnect_on_error=False)
                except _REPLIES as error:
                    reply = error
                if not (future := waiting.popleft()).done():
                    future.set_result(reply)
            self._load -= sent.popleft().size
            self._room.set()
        if self.is_retired and self.is_idle:
            await self._disconnect()

    def _set_deadline(self, batch: _Batch) -> None:
        batch.deadline = self._loop.time() + self._timeout
        if self._timer is None:
            self._timer = self._loop.call_at(batch.deadline, self._expire)

    def _expire(self) -> None:
        """Fail the commands whose replies are late, each at its own deadline. New commands use another connection."""
        self._timer = None
        now = self._loop.time()
        is_one_late = False
        for batch in self._sent:
            if batch.deadline <= now and not batch.is_late:
                batch.is_late = True
                batch.deadline = now + GRACE
            if batch.deadline > now:
                self._timer = self._loop.call_at(batch.deadline, self._expire)
                break
            is_one_late = self.is_retired = True
            batch.fail(wire.TimeoutError("Timeout reading from the server"), sent=True)
        if is_one_late:
            self._fail_unsent(wire.TimeoutError("Timeout writing to the server"))
            if self._timer is None:  # no other caller waits
                for task in filter(None, (self._sender, self._reader)):
                    task.cancel()

    def _fail_unsent(self, error: Exception) -> None:
        self._unsent.fail(error, sent=False)
        self._unsent = _Batch()
        self._load = 0
        self._room.set()

    async def _break(self, error: Exception) -> None:
        """Report the error to all that wait, and close the connection."""
        self.is_retired = True
        for batch in self._sent:
            batch.fail(error, sent=True)
        self._sent.clear()
        self._fail_unsent(error)
        await self._disconnect()

    async def _disconnect(self, *, wait: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._connection.disconnect(nowait=not wait)
