"""The parts of a generator job, read while it runs: from the start or from where the last reader left off, until its end."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from taskq.clock import Timeout, monotonic, seconds_to_wait
from taskq.driver.contract import Driver
from taskq.driver.steps import Patient, Steps
from taskq.errors import NoResult, ResultTimeout, ServerUnavailable, StreamRestarted
from taskq.handle.subject import Queries, Subject, ask_ending
from taskq.handle.waiting import Lookout
from taskq.wire.ending import Ending, read_part, value_of

__all__ = ["AsyncStream", "Stream"]

Y_co = TypeVar("Y_co", covariant=True)
T = TypeVar("T")
#: So many parts come in one answer.
_COUNT = 100
#: The last position that a server reckons with exactly.
_LAST = 2**53


class _Entry(NamedTuple):
    """One entry of the stream."""

    number: int
    kind: bytes
    data: bytes


class _Reader:
    """One reader's place in a stream. What it does next is told as steps."""

    def __init__(self, subject: Subject, after: int, timeout: Timeout) -> None:
        if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= _LAST:
            raise ValueError(f"after is the position of a stream, a whole number from 0 to 2**53, not {after!r}")
        self.subject = subject
        self.position = after
        self._seconds = seconds_to_wait(timeout)
        self._has_given = after > 0
        self._buffer: deque[_Entry] = deque()
        self._has_end = self._is_over = False
        self._lookout: Lookout | None = None

    def next_part(self, driver: Driver) -> Steps[tuple[Any] | None]:
        """Return the next part, alone in a tuple; None at the end. Raises as `Handle.stream`."""
        deadline = monotonic() + self._seconds
        patient = Patient(deadline)
        while not self._is_over:
            if self._buffer:
                if (part := self._take()) is not None:
                    return part
                continue
            left = deadline - monotonic()
            try:
                ending = yield from self._fetch(driver, left)
                patient.answered()
            except ServerUnavailable as error:
                yield patient.pause_after(error)
                continue
            if ending is not None:
                self._is_over = True
                value_of(ending, self.subject.id)
                if not ending.is_stream:
                    raise NoResult(f"message {self.subject.id} has no parts, for its job is no generator: ask for its result()")
            elif not self._buffer and left <= 0:
                raise ResultTimeout(f"no part of message {self.subject.id} came within {self._seconds:g} s; it may come later")
        return None

    def _take(self) -> tuple[Any] | None:
        """Take the next entry. None: it was a mark."""
        number, kind, data = self._buffer.popleft()
        self.position = number
        if kind == b"part":
            self._has_given = True
            return (read_part(data, number, self.subject.id, self.subject.signer),)
        if kind == b"end":
            self._has_end = True
        else:
            self._restarted()
        return None

    def _fetch(self, driver: Driver, left: float) -> Steps[Ending | None]:
        """Get more parts, or learn how the job has ended when there are no more."""
        if self._has_end:
            ending = yield from ask_ending(driver, self.subject)
            if ending is None:
                raise NoResult(f"the stream of message {self.subject.id} has ended, and how isn't known any more: its result_ttl is over")
            return ending
        if (yield from self._read(driver)):
            return None
        is_first = self._lookout is None
        if self._lookout is None:
            self._lookout = Lookout(driver, self.subject, keeps=self.subject.keeps)
        # At first it is asked whether the job has ended: nothing would ever wake a reader who begins behind the last part.
        if left > 0 and not is_first:
            reply = yield driver.wait_for_parts(self.subject.id, self.position, _COUNT, self._lookout.slice_of(left))
            if reply:
                self._buffer.extend(map(_entry, reply[0][1]))
                return None
        # A job that was no generator, or whose stream has expired, leaves no mark of its end.
        ending = yield from ask_ending(driver, self.subject)
        if ending is None:
            ending = yield from self._lookout.look(is_last=left <= 0)
        if ending is not None and (yield from self._read(driver)):
            return None  # the last parts came meanwhile
        return ending

    def _read(self, driver: Driver) -> Steps[bool]:
        """Read what is there, and say how far this reader has come. False: there is nothing."""
        start, entries = yield driver.read(self.subject.id, self.position, _COUNT)
        self._buffer.extend(map(_entry, entries))
        if start > self.position:
            self.position = start  # what lies between is of a run before, and of no use any more
            self._restarted()
        return bool(entries)

    def _restarted(self) -> None:
        if self._has_given:
            self._has_given = False
            raise StreamRestarted(f"message {self.subject.id} runs again: the parts read so far are void, and come anew")


class _Reading:
    """What a stream is read with, from whichever code."""

    def __init__(self, queue: Queries, subject: Subject, after: int, timeout: Timeout) -> None:
        self._queue = queue
        self._reader = _Reader(subject, after, timeout)

    @property
    def position(self) -> int:
        """Where the reading stands: `handle.stream(after=position)` goes on from here, in this program or another."""
        return self._reader.position


class Stream(_Reading, Generic[Y_co]):
    """The parts of a generator job, in their order, while it runs: `for part in handle.stream()`."""

    def __iter__(self) -> Iterator[Y_co]:
        return self

    def __next__(self) -> Y_co:
        found = self._queue.ask(self._reader.subject.channel, self._reader.next_part)
        if found is None:
            raise StopIteration
        part: Y_co = found[0]
        return part


class AsyncStream(_Reading, Generic[Y_co]):
    """The same from async code: `async for part in handle.astream()`."""

    def __aiter__(self) -> AsyncIterator[Y_co]:
        return self

    async def __anext__(self) -> Y_co:
        found = await self._queue.aask(self._reader.subject.channel, self._reader.next_part)
        if found is None:
            raise StopAsyncIteration
        part: Y_co = found[0]
        return part


def _entry(raw: tuple[bytes, list[bytes]]) -> _Entry:
    identity, (kind, data) = raw
    return _Entry(int(identity.partition(b"-")[0]), kind, data)
