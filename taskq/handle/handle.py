"""The handle of one pushed message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from taskq.clock import Timeout
from taskq.errors import NoResult
from taskq.handle.cancel import Cancelled, ask_cancel, check_cancel
from taskq.handle.status import Status, ask_progress, ask_status
from taskq.handle.stream import AsyncStream, Stream
from taskq.handle.subject import Queries, Subject
from taskq.handle.waiting import await_result, how_to_store
from taskq.other_queues.attributes import hints
from taskq.wire.progress import Progress

__all__ = ["Handle"]

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Handle(msgspec.Struct, Generic[R_co], frozen=True, gc=False, eq=False):
    """A reference to one pushed message, returned by `push`. `Handle[R]` is generic in the job's return type.

    To recreate a handle in another process, store its `id` and `channel` and call `queue.handle(id, channel)`. Two handles
    are equal if their ids are.

    Attributes:
        id: the id of the message (32 hexadecimal digits).
        channel: the channel that it was pushed to.
    """

    # Nothing refers back to a handle, so the garbage collector need not track it: a large push makes very many.
    _queue: Queries
    channel: str
    id: str
    _payload: bytes | None = None
    _stores_result: bool | None = None
    _is_stream: bool | None = None

    def delete(self) -> bool:
        """Remove the message if it has not been reserved yet.

        Returns:
            True if the message was still in a buffer, delayed or waiting, and has been removed; False if it was too late.

        Raises:
            TypeError: this handle was recreated from an id. Use `cancel()`.
            ServerUnavailable: the server is unreachable.
        """
        if self._payload is None:
            raise TypeError("delete() needs the handle that push returned; with a handle recreated from an id, use cancel()")
        return self._queue.withdraw(self.channel, self._payload)

    # The result of a coroutine function is what it returns when awaited, that of a generator function what it returns at its end.
    @overload
    def result(self: Handle[Coroutine[Any, Any, T]], timeout: Timeout = None) -> T: ...
    @overload
    def result(self: Handle[Generator[Any, Any, T]], timeout: Timeout = None) -> T: ...  # type: ignore[overload-overlap]
    @overload
    def result(self: Handle[AsyncIterator[Any] | Iterator[Any]], timeout: Timeout = None) -> None: ...
    @overload
    def result(self, timeout: Timeout = None) -> R_co: ...
    def result(self, timeout: Timeout = None) -> Any:
        """Wait until the job has finished, and return its result. Retries and worker crashes don't end the wait.

        Args:
            timeout: the time to wait: seconds (int or float) or a timedelta. None waits without limit; 0 doesn't wait.

        Returns:
            The return value of the job.

        Raises:
            JobFailed: the job failed permanently. Its exception is included as text.
            ResultCancelled: the job was cancelled.
            ResultTimeout: no result arrived in time. The job may still finish. Without a timeout: this is a job, and all jobs that the
                channel can run at once wait for messages of the channel.
            NoResult: no result will arrive: the job doesn't store results, the result expired, or the message no longer exists.
            SignatureError: the result is not signed with this program's secret.
            ArgumentsError: the timeout is invalid.
            RuntimeError: the push is still in a buffer.
            ServerUnavailable: the server was unreachable for the whole timeout, or for a minute.
        """
        self._queue.check_sent(self.id)
        return self._queue.ask(self.channel, lambda driver: await_result(driver, self._subject, timeout))

    @overload
    async def aresult(self: Handle[Coroutine[Any, Any, T]], timeout: Timeout = None) -> T: ...
    @overload
    async def aresult(self: Handle[Generator[Any, Any, T]], timeout: Timeout = None) -> T: ...  # type: ignore[overload-overlap]
    @overload
    async def aresult(self: Handle[AsyncIterator[Any] | Iterator[Any]], timeout: Timeout = None) -> None: ...
    @overload
    async def aresult(self, timeout: Timeout = None) -> R_co: ...
    async def aresult(self, timeout: Timeout = None) -> Any:
        """Wait for the result without blocking the event loop. Async version of `result`."""
        self._queue.check_sent(self.id)
        return await self._queue.aask(self.channel, lambda driver: await_result(driver, self._subject, timeout))

    def cancel(self, *, kill: bool = False, by: str | None = None) -> Cancelled:
        """Cancel the message: remove it if it is waiting, delayed or parked, or interrupt its job if it is running.

        An async job gets `asyncio.CancelledError`, a sync job `JobCancelled`. A cancelled job is not retried. Its status and
        result name the user who cancelled it. A message that has already finished is unchanged.

        Args:
            kill: True to kill the worker process if the job is still running after three seconds.
            by: the name of the user who cancels. Default: user@host.

        Returns:
            The effect of the request; see `Cancelled`.

        Raises:
            ArgumentsError: `by` is not a string, or `kill` is not a bool.
            ServerUnavailable: the server is unreachable.
        """
        by = check_cancel(by, kill)
        if self._queue.take_back(self.id):
            return Cancelled.NOW
        return self._queue.ask(self.channel, lambda driver: ask_cancel(driver, self._subject, by, kill=kill))

    async def acancel(self, *, kill: bool = False, by: str | None = None) -> Cancelled:
        """Cancel the message without blocking the event loop. Async version of `cancel`."""
        by = check_cancel(by, kill)
        if self._queue.take_back(self.id):
            return Cancelled.NOW
        return await self._queue.aask(self.channel, lambda driver: ask_cancel(driver, self._subject, by, kill=kill))

    def status(self) -> Status:
        """Return the current or final state of the message. This may search through all messages of the channel.

        Raises:
            RuntimeError: the push is still in a buffer.
            ServerUnavailable: the server is unreachable.
        """
        self._queue.check_sent(self.id)
        return self._queue.ask(self.channel, lambda driver: ask_status(driver, self._subject))

    async def astatus(self) -> Status:
        """Return the state of the message without blocking the event loop. Async version of `status`."""
        self._queue.check_sent(self.id)
        return await self._queue.aask(self.channel, lambda driver: ask_status(driver, self._subject))

    def progress(self) -> Progress | None:
        """Return the last report of `taskq.progress(...)`, or None if the job has reported nothing in the last hour.

        Raises:
            ServerUnavailable: the server is unreachable.
        """
        return self._queue.ask(self.channel, lambda driver: ask_progress(driver, self._subject))

    async def aprogress(self) -> Progress | None:
        """Return the last progress report without blocking the event loop. Async version of `progress`."""
        return await self._queue.aask(self.channel, lambda driver: ask_progress(driver, self._subject))

    @overload
    def stream(self: Handle[AsyncIterator[T]], *, after: int = 0, timeout: Timeout = None) -> Stream[T]: ...
    @overload
    def stream(self: Handle[Iterator[T]], *, after: int = 0, timeout: Timeout = None) -> Stream[T]: ...
    @overload
    def stream(self, *, after: int = 0, timeout: Timeout = None) -> Stream[Any]: ...
    def stream(self, *, after: int = 0, timeout: Timeout = None) -> Any:
        """Return the stream of a generator job, to read its items while it runs: `for item in handle.stream()`.

        Args:
            after: the `position` of an earlier stream, to continue after it; 0 for the start.
            timeout: the time to wait for each item: seconds (int or float) or a timedelta. None waits without limit.

        Raises:
            NoResult: while reading or here: the message has no stream. Its job is not a generator or stores no result, the
                stream expired, or the message no longer exists.
            JobFailed, ResultCancelled: while reading, after the last item: the job failed permanently, or was cancelled.
            StreamRestarted: while reading: the job runs again. Discard the items read so far; reading on starts over.
            ResultTimeout: while reading: no item arrived in time. Reading on is possible.
            ValueError: `after` is not a stream position.
            ArgumentsError: the timeout is invalid.
            RuntimeError: the push is still in a buffer.
        """
        self._check_stream()
        return Stream(self._queue, self._subject, after, timeout)

    @overload
    def astream(self: Handle[AsyncIterator[T]], *, after: int = 0, timeout: Timeout = None) -> AsyncStream[T]: ...
    @overload
    def astream(self: Handle[Iterator[T]], *, after: int = 0, timeout: Timeout = None) -> AsyncStream[T]: ...
    @overload
    def astream(self, *, after: int = 0, timeout: Timeout = None) -> AsyncStream[Any]: ...
    def astream(self, *, after: int = 0, timeout: Timeout = None) -> Any:
        """Return the stream of a generator job for async code: `async for item in handle.astream()`. See `stream`."""
        self._check_stream()
        return AsyncStream(self._queue, self._subject, after, timeout)

    def _check_stream(self) -> None:
        self._queue.check_sent(self.id)
        if self._is_stream is False:
            raise NoResult(f"message {self.id} has no stream (its job is not a generator): use handle.result()")
        if self._stores_result is False:
            raise NoResult(how_to_store(self.id))

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle a Handle: pass handle.id, and recreate the handle there: queue.handle(id, {self.channel!r})")

    @property
    def _subject(self) -> Subject:
        return self._queue.subject(self.channel, self.id, self._payload, self._stores_result)

    if not TYPE_CHECKING:
        __getattr__ = hints("handle")

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<Handle {self.id} in {self.channel}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)
