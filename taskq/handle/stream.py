"""Streams: the items of a generator job, read while the job runs, from the start or from a position, to the end."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from taskq.clock import Timeout, monotonic, seconds_to_wait
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Driver
from taskq.driver.steps import Steps
from taskq.errors import NoResult, ResultTimeout, ServerUnavailable, StreamRestarted
from taskq.handle.subject import Queries, Subject, ask_ending
from taskq.handle.waiting import PATIENCE, ExistenceCheck
from taskq.wire.ending import Ending, read_part, value_of

__all__ = ["AsyncStream", "Stream"]

Y_co = TypeVar("Y_co", covariant=True)
T = TypeVar("T")
#: The maximum number of items in one reply.
_COUNT = 100
#: The last position that a server's script represents exactly.
_LAST = 2**53


class _Entry(NamedTuple):
    """One entry of the stored stream: an item, or a mark."""

    number: int
    kind: bytes
    data: bytes


class _Reader:
    """A reader's position in a stream, as sans-I/O steps."""

    def __init__(self, subject: Subject, after: int, timeout: Timeout) -> None:
        if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= _LAST:
            raise ValueError(f"after must be a stream position, an integer from 0 to 2**53; got {after!r}")
        self.subject = subject
        self.position = after
        self._seconds = seconds_to_wait(timeout)
        self._has_given = after > 0
        self._buffer: deque[_Entry] = deque()
        self._has_end = self._is_over = False
        self._existence: ExistenceCheck | None = None

    def next_item(self, driver: Driver) -> Steps[tuple[Any] | None]:
        """Return the next item, alone in a tuple, or None at the end. Raises the errors of `Handle.stream`."""
        deadline = monotonic() + self._seconds
        backoff = Backoff(patience=PATIENCE, deadline=deadline)
        while not self._is_over:
            if (item := self.fetched()) is not None:
                return item
            left = deadline - monotonic()
            try:
                ending = yield from self._fetch(driver, left)
                backoff.answered()
            except ServerUnavailable as error:
                yield backoff.pause_after(error)
                continue
            if ending is not None:
                self._is_over = True
                value_of(ending, self.subject.id, pickles=self.subject.pickles)
                if not ending.is_stream:
                    raise NoResult(f"message {self.subject.id} has no stream (its job is not a generator): use handle.result()")
            elif not self._buffer and left <= 0:
                raise ResultTimeout(f"no item of message {self.subject.id} within {self._seconds:g} s; the job may still yield one")
        return None

    def fetched(self) -> tuple[Any] | None:
        """Return the next item if it came with an earlier reply, alone in a tuple. Raises as `next_item`."""
        while self._buffer:
            if (item := self._take()) is not None:
                return item
        return None

    def _take(self) -> tuple[Any] | None:
        """Take the next entry. Return its item, or None for a mark."""
        number, kind, data = self._buffer.popleft()
        self.position = number
        if kind == b"part":
            self._has_given = True
            subject = self.subject
            return (subject.restore(read_part(data, number, subject.id, subject.signer, pickles=subject.pickles), "item"),)
        if kind == b"end":
            self._has_end = True
        else:
            self._restarted()
        return None

    def _fetch(self, driver: Driver, left: float) -> Steps[Ending | None]:
        """Fetch more entries. Return the final state of the job if none are left."""
        if self._has_end:
            ending = yield from ask_ending(driver, self.subject)
            if ending is None:
                raise NoResult(f"the stream of message {self.subject.id} has expired (result_ttl)")
            return ending
        if (yield from self._read(driver)):
            return None
        is_first = self._existence is None
        if self._existence is None:
            self._existence = ExistenceCheck(driver, self.subject, stores_result=self.subject.stores_result)
        # First check if the job has finished: nothing would ever wake a reader that starts after the last item.
        if left > 0 and not is_first:
            reply = yield driver.wait_for_parts(self.subject.id, self.position, _COUNT, self._existence.slice_of(left))
            if reply:
                yield from self._existence.end()
                self._buffer.extend(map(_entry, reply[0][1]))
                return None
        # A job that is not a generator, or whose stream has expired, has no end mark.
        ending = yield from ask_ending(driver, self.subject)
        if ending is None:
            ending = yield from self._existence.check(is_last=left <= 0)
        if ending is not None and (yield from self._read(driver)):
            return None  # the last items arrived meanwhile
        return ending

    def _read(self, driver: Driver) -> Steps[bool]:
        """Read the stored entries, and store this reader's position. Return False if nothing is stored."""
        start, entries = yield driver.read(self.subject.id, self.position, _COUNT)
        self._buffer.extend(map(_entry, entries))
        if start > self.position:
            self.position = start  # the entries in between belong to an earlier run and are void
            self._restarted()
        return bool(entries)

    def _restarted(self) -> None:
        if self._has_given:
            self._has_given = False
            raise StreamRestarted(f"the job of message {self.subject.id} restarted: discard the items read so far; the stream starts over")


class _Reading:
    """The common part of `Stream` and `AsyncStream`."""

    def __init__(self, queue: Queries, subject: Subject, after: int, timeout: Timeout) -> None:
        self._queue = queue
        self._reader = _Reader(subject, after, timeout)

    @property
    def position(self) -> int:
        """The position after the last item read (int). `handle.stream(after=position)` continues from here, in any process."""
        return self._reader.position

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle an open stream: pass the id and channel of its handle, and open the stream there")


class Stream(_Reading, Generic[Y_co]):
    """The items that a generator job yields, in order: `for item in handle.stream()`. Returned by `Handle.stream`.

    Iterating waits for the next item while the job runs, and stops at the job's end. For the errors, see `Handle.stream`.
    """

    def __iter__(self) -> Iterator[Y_co]:
        return self

    def __next__(self) -> Y_co:
        found = self._reader.fetched() or self._queue.ask(self._reader.subject.channel, self._reader.next_item)
        if found is None:
            raise StopIteration
        item: Y_co = found[0]
        return item


class AsyncStream(_Reading, Generic[Y_co]):
    """The items that a generator job yields, for async code: `async for item in handle.astream()`. See `Stream`."""

    def __aiter__(self) -> AsyncIterator[Y_co]:
        return self

    async def __anext__(self) -> Y_co:
        found = self._reader.fetched() or await self._queue.aask(self._reader.subject.channel, self._reader.next_item)
        if found is None:
            raise StopAsyncIteration
        item: Y_co = found[0]
        return item


def _entry(raw: tuple[bytes, list[bytes]]) -> _Entry:
    identity, (kind, data) = raw
    return _Entry(int(identity.partition(b"-")[0]), kind, data)
