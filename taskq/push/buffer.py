"""Pushes that are kept back for a moment and sent together: `with queue.buffer():`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol

from taskq.handle.handle import Handle
from taskq.push.packer import BATCH, Outgoing

__all__ = ["Buffer", "drop_left_open", "is_buffered", "open_buffer", "withdraw"]


class Store(Protocol):
    """Who sends what is packed: the outbox of a queue."""

    def store(self, outs: Sequence[Outgoing]) -> list[Handle[Any]]: ...

    async def astore(self, outs: Sequence[Outgoing]) -> list[Handle[Any]]: ...


class Buffer:
    """Collects the pushes of a `with` block (or `async with`), and sends them at its end, or whenever 500 are waiting.

    A push inside returns its handle before the message is stored. An exception that leaves the block discards what was not sent,
    and a note at the exception says how much that was.
    """

    def __init__(self, outbox: Store) -> None:
        self.outbox = outbox
        self.outer: Buffer | None = None
        self.is_open = False
        self.pid = os.getpid()
        # Its methods are atomic. No lock: a signal's handler may push, too, and an exception may come at any moment.
        self._outs: deque[Outgoing] = deque()

    def __len__(self) -> int:
        """How many pushes wait to be sent."""
        return len(self._outs)

    def flush(self) -> None:
        """Send what waits; raises as `Job.push_many`. What wasn't stored by then is not kept."""
        outs = self._take()
        if outs:
            self.outbox.store(outs)

    async def aflush(self) -> None:
        """The same from async code."""
        outs = self._take()
        if outs:
            await self.outbox.astore(outs)

    def add(self, outs: Sequence[Outgoing]) -> bool:
        """Keep messages. True: they should be sent now, because so many wait, or because another thread has just closed the buffer."""
        self._outs.extend(outs)
        return len(self._outs) >= BATCH or not self.is_open

    def holds(self, identity: bytes) -> bool:
        """Whether a message waits here."""
        return any(out.identity == identity for out in tuple(self._outs))

    def withdraw(self, identity: bytes) -> bool:
        """Forget a message that waits here. False: it doesn't."""
        for out in tuple(self._outs):
            if out.identity == identity:
                try:
                    self._outs.remove(out)
                except ValueError:  # it is just being sent
                    return False
                return True
        return False

    def drop(self) -> int:
        """Close it without sending; returns how many pushes waited."""
        self.is_open = False
        return len(self._take())

    def __enter__(self) -> Buffer:
        if self.is_open:
            raise RuntimeError("this buffer is open already: every block needs a queue.buffer() of its own")
        self.is_open = True
        self.outer = _innermost.get()
        _innermost.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close(error)
        if error is None:
            self.flush()

    async def __aenter__(self) -> Buffer:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close(error)
        if error is None:
            await self.aflush()

    def _close(self, error: BaseException | None) -> None:
        self.is_open = False
        # Not when another is the innermost: this one was left open by a job before, and is only now closed by the garbage collector.
        if _innermost.get() is self:
            _innermost.set(self.outer)
        if error is None or not (lost := len(self._take())):
            return
        error.add_note(f"taskq: pushes of the buffer that were not sent, because this exception left its block: {lost}")
        if not isinstance(error, Exception):  # sys.exit() and the end of a generator show no note to anybody
            import logging  # a slow import that few need

            text = "pushes of a buffer that were not sent, because %s left its block: %d"
            logging.getLogger("taskq").warning(text, type(error).__name__, lost)

    def _take(self) -> list[Outgoing]:
        outs: list[Outgoing] = []
        if self.pid == os.getpid():  # else this is a forked copy of the process: the parent sends them
            while self._outs:
                outs.append(self._outs.popleft())
        return outs


_innermost: ContextVar[Buffer | None] = ContextVar("taskq_buffer", default=None)


def open_buffer(outbox: Store) -> Buffer | None:
    """Return the buffer into which pushes of this outbox's queue go, in this thread or task; None: they are sent at once."""
    buffer = _innermost.get()
    # A forked copy of the process sends its own pushes at once: the block that would send them later is the parent's.
    while buffer is not None and not (buffer.outbox is outbox and buffer.is_open and buffer.pid == os.getpid()):
        buffer = buffer.outer
    return buffer


def withdraw(outbox: Store, identity: bytes) -> bool:
    """Forget a message that waits in a buffer of this thread or task. False: it doesn't."""
    return any(buffer.withdraw(identity) for buffer in _buffers(outbox))


def is_buffered(outbox: Store, identity: bytes) -> bool:
    """Whether a message waits in a buffer of this thread or task."""
    return any(buffer.holds(identity) for buffer in _buffers(outbox))


def _buffers(outbox: Store) -> Iterator[Buffer]:
    buffer = open_buffer(outbox)
    while buffer is not None:
        if buffer.outbox is outbox:
            yield buffer
        buffer = buffer.outer


def drop_left_open() -> int:
    """Close the buffers that a job has left open, so that they don't swallow the next one's pushes; returns how many pushes waited."""
    buffer, dropped = _innermost.get(), 0
    if buffer is not None:
        _innermost.set(None)
    while buffer is not None:
        dropped += buffer.drop()
        buffer = buffer.outer
    return dropped
