"""Collect pushes and send them together: `with queue.buffer():`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol

from taskq.push.envelope import BATCH, Outgoing

__all__ = ["Buffer", "drop_left_open", "innermost", "is_buffered", "open_buffer", "withdraw"]


#: Another object in each process. (Asking for the process id at each push would take longer than all else that a buffer does.)
_process = object()


def _note_fork() -> None:
    global _process  # noqa: PLW0603
    _process = object()


os.register_at_fork(after_in_child=_note_fork)


class Store(Protocol):
    """Protocol of a queue's outbox: sends packed messages."""

    def store(self, outs: Sequence[Outgoing]) -> None: ...

    async def astore(self, outs: Sequence[Outgoing]) -> None: ...


class Buffer:
    """Collects the pushes of a `with` (or `async with`) block, and sends them at its end or whenever 500 have been collected.

    Made by `queue.buffer()`. A push in the block returns its handle before the message is stored. Leaving the block raises the
    errors of `Job.push_many`. An exception that leaves the block discards the unsent messages; a note on the exception gives
    their number.
    """

    def __init__(self, outbox: Store) -> None:
        self.outbox = outbox
        self.outer: Buffer | None = None
        self.is_open = False
        self.process = _process
        # Its methods are atomic. No lock: a signal's handler may push, too, and an exception may come at any moment.
        self._outs: deque[Outgoing] = deque()

    def __len__(self) -> int:
        """Return the number of unsent messages."""
        return len(self._outs)

    def flush(self) -> None:
        """Send the collected messages now. If this raises (see `Job.push_many`), messages that were not stored are discarded."""
        outs = self._take()
        if outs:
            self.outbox.store(outs)

    async def aflush(self) -> None:
        """Send the collected messages without blocking the event loop. Async version of `flush`."""
        outs = self._take()
        if outs:
            await self.outbox.astore(outs)

    def add(self, outs: Sequence[Outgoing]) -> bool:
        """Buffer messages. Return True if the buffer must be flushed now: it is full, or another thread has just closed it."""
        self._outs.extend(outs)
        return len(self._outs) >= BATCH or not self.is_open

    def holds(self, identity: bytes) -> bool:
        """Return True if a message is in this buffer."""
        return any(out.identity == identity for out in tuple(self._outs))

    def withdraw(self, identity: bytes) -> bool:
        """Remove a message from this buffer. Return False if it is not here."""
        for out in tuple(self._outs):
            if out.identity == identity:
                try:
                    self._outs.remove(out)
                except ValueError:  # it is being sent at this moment
                    return False
                return True
        return False

    def drop(self) -> int:
        """Close the buffer without sending. Return the number of discarded messages."""
        self.is_open = False
        return len(self._take())

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a Buffer: its messages are sent by the `with` block that made it")

    def __enter__(self) -> Buffer:
        if self.is_open:
            raise RuntimeError("this buffer is already open: use a new queue.buffer() for each block")
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
        # Not if another is the innermost: an earlier job left this one open, and the garbage collector closes it only now.
        if _innermost.get() is self:
            _innermost.set(self.outer)
        if error is None or not (lost := len(self._take())):
            return
        discarded = f"{lost} unsent message{'' if lost == 1 else 's'}"
        error.add_note(f"taskq: this exception left the block of a buffer, which discarded {discarded}")
        if not isinstance(error, Exception):  # the note is never printed for sys.exit() and the end of a generator
            import logging  # a slow import that few need

            logging.getLogger("taskq").warning("%s left the block of a buffer: discarded %s", type(error).__name__, discarded)

    def _take(self) -> list[Outgoing]:
        outs: list[Outgoing] = []
        if self.process is _process:  # in a forked copy of the process: the parent sends them
            while self._outs:
                outs.append(self._outs.popleft())
        return outs


_innermost: ContextVar[Buffer | None] = ContextVar("taskq_buffer", default=None)
#: Return the innermost open buffer of this thread or task, or None.
innermost = _innermost.get


def open_buffer(outbox: Store) -> Buffer | None:
    """Return the buffer that collects this outbox's pushes in this thread or task, or None if they are sent at once."""
    buffer = _innermost.get()
    # A forked copy of the process sends its own pushes at once: the parent owns the block that would send them later.
    while buffer is not None and not (buffer.outbox is outbox and buffer.is_open and buffer.process is _process):
        buffer = buffer.outer
    return buffer


def withdraw(outbox: Store, identity: bytes) -> bool:
    """Remove a message from the open buffers of this thread or task. Return False if none holds it."""
    return any(buffer.withdraw(identity) for buffer in _buffers(outbox))


def is_buffered(outbox: Store, identity: bytes) -> bool:
    """Return True if a message is in an open buffer of this thread or task."""
    return any(buffer.holds(identity) for buffer in _buffers(outbox))


def _buffers(outbox: Store) -> Iterator[Buffer]:
    buffer = open_buffer(outbox)
    while buffer is not None:
        if buffer.outbox is outbox:
            yield buffer
        buffer = buffer.outer


def drop_left_open() -> int:
    """Close the buffers that a job left open, so that they don't collect the pushes of the next job.

    Return the number of discarded messages.
    """
    buffer, dropped = _innermost.get(), 0
    if buffer is not None:
        _innermost.set(None)
    while buffer is not None:
        dropped += buffer.drop()
        buffer = buffer.outer
    return dropped
