"""What push returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from typing import Any, Generic, TypeVar, overload

import msgspec

from taskq.clock import Timeout
from taskq.errors import NoResult
from taskq.handle.cancel import Cancelled, ask_cancel, check_order
from taskq.handle.status import Status, ask_progress, ask_status
from taskq.handle.stream import AsyncStream, Stream
from taskq.handle.subject import Queries, Subject
from taskq.handle.waiting import await_result, how_to_keep
from taskq.wire.progress import Progress

__all__ = ["Handle"]

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Handle(msgspec.Struct, Generic[R_co], frozen=True, gc=False, eq=False):
    """Names one pushed message. `R_co` is what its job returns."""

    # Nothing refers back to a handle, so the garbage collector need not look at it: of a large push there are very many.
    _queue: Queries
    channel: str
    id: str
    _payload: bytes | None = None
    _keeps: bool | None = None
    _is_stream: bool | None = None

    def delete(self) -> bool:
        """Withdraw the message. Returns True when it was still pending (delayed or waiting), False when it was too late.

        Raises:
            TypeError: this handle was made from an id: cancel() works with it.
            ServerUnavailable: the server doesn't answer.
        """
        if self._payload is None:
            raise TypeError("delete() needs the handle that push returned; of one made from an id use cancel()")
        return self._queue.withdraw(self.channel, self._payload)

    # Of a coroutine function the result is what it returns when awaited, of a generator function what it returns at its end.
    @overload
    def result(self: Handle[Coroutine[Any, Any, T]], timeout: Timeout = None) -> T: ...
    @overload
    def result(self: Handle[Generator[Any, Any, T]], timeout: Timeout = None) -> T: ...  # type: ignore[overload-overlap]
    @overload
    def result(self: Handle[AsyncIterator[Any] | Iterator[Any]], timeout: Timeout = None) -> None: ...
    @overload
    def result(self, timeout: Timeout = None) -> R_co: ...
    def result(self, timeout: Timeout = None) -> Any:
        """Wait for what the job returns, at most `timeout` seconds, or a timedelta (None: for as long as it takes, 0: only look).

        A failed attempt that is followed by another is waited through; so is a worker's death.

        Raises:
            JobFailed: the job has failed for good; holds what it raised, as text.
            ResultCancelled: it was cancelled.
            ResultTimeout: it isn't there in time.
            NoResult: there will be none: the job keeps none, it has expired, or the message is gone.
            SignatureError: the result isn't signed with this program's secret.
            ArgumentsError: the timeout is no number of seconds.
            RuntimeError: the push is still in the buffer.
            ServerUnavailable: the server doesn't answer.
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
        """The same from async code."""
        self._queue.check_sent(self.id)
        return await self._queue.aask(self.channel, lambda driver: await_result(driver, self._subject, timeout))

    def cancel(self, *, kill: bool = False, by: str | None = None) -> Cancelled:
        """Cancel the message: waiting, delayed or parked it never runs; while it runs its worker is told.

        An async job is cancelled, in a sync one `JobCancelled` is raised. It isn't run again, and its status and result say by whom it
        was cancelled. What has ended before stays as it ended.

        Args:
            kill: kill the process of a job that goes on for three seconds more.
            by: who cancels; default: user@host.

        Raises:
            ArgumentsError: `by` is no text, or `kill` neither True nor False.
            ServerUnavailable: the server doesn't answer.
        """
        who = check_order(by, kill)
        if self._queue.take_back(self.id):
            return Cancelled.NOW
        return self._queue.ask(self.channel, lambda driver: ask_cancel(driver, self._subject, who, kill=kill))

    async def acancel(self, *, kill: bool = False, by: str | None = None) -> Cancelled:
        """The same from async code."""
        who = check_order(by, kill)
        if self._queue.take_back(self.id):
            return Cancelled.NOW
        return await self._queue.aask(self.channel, lambda driver: ask_cancel(driver, self._subject, who, kill=kill))

    def status(self) -> Status:
        """Return where the message is now, or how it ended. It may take a search through the channel's messages.

        Raises:
            RuntimeError: the push is still in the buffer.
        """
        self._queue.check_sent(self.id)
        return self._queue.ask(self.channel, lambda driver: ask_status(driver, self._subject))

    async def astatus(self) -> Status:
        """The same from async code."""
        self._queue.check_sent(self.id)
        return await self._queue.aask(self.channel, lambda driver: ask_status(driver, self._subject))

    def progress(self) -> Progress | None:
        """Return what the job last told with `taskq.progress(...)`; None when it has told nothing (for an hour)."""
        return self._queue.ask(self.channel, lambda driver: ask_progress(driver, self._subject))

    async def aprogress(self) -> Progress | None:
        """The same from async code."""
        return await self._queue.aask(self.channel, lambda driver: ask_progress(driver, self._subject))

    @overload
    def stream(self: Handle[AsyncIterator[T]], *, after: int = 0, timeout: Timeout = None) -> Stream[T]: ...
    @overload
    def stream(self: Handle[Iterator[T]], *, after: int = 0, timeout: Timeout = None) -> Stream[T]: ...
    @overload
    def stream(self, *, after: int = 0, timeout: Timeout = None) -> Stream[Any]: ...
    def stream(self, *, after: int = 0, timeout: Timeout = None) -> Any:
        """Read what a generator job yields, while it runs: `for part in handle.stream()`.

        Args:
            after: a position of an earlier reading (`stream.position`), to go on from there. 0: from the start.
            timeout: seconds (or a timedelta) to wait for each part. None: as long as it takes.

        Raises, from the reading:
            JobFailed, ResultCancelled: the job has ended like that; its parts came before.
            StreamRestarted: the job runs again, and its parts come anew: reading on gives them.
            ResultTimeout: no part came in time; reading on is possible.
            NoResult: there are no parts: the job is no generator, keeps none, they have expired, or the message is gone.
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
        """The same from async code: `async for part in handle.astream()`."""
        self._check_stream()
        return AsyncStream(self._queue, self._subject, after, timeout)

    def _check_stream(self) -> None:
        self._queue.check_sent(self.id)
        if self._is_stream is False:
            raise NoResult(f"message {self.id} has no parts, for its job is no generator: ask for its result()")
        if self._keeps is False:
            raise NoResult(how_to_keep(self.id))

    @property
    def _subject(self) -> Subject:
        return self._queue.subject(self.channel, self.id, self._payload, self._keeps)

    def __repr__(self) -> str:
        return f"<Handle {self.id} in {self.channel}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)
