"""Pushes that are kept back for a moment and sent together: `with queue.buffer():`."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Protocol

from taskq.outgoing import BATCH, Outgoing
from taskq.result import Handle

__all__ = ["Buffer", "open_buffer"]


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
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._outs: list[Outgoing] = []
        self._token: Token[Buffer | None] | None = None

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
        """Keep messages. True: so many wait that they should be sent now."""
        with self._lock:
            self._outs += outs
            return len(self._outs) >= BATCH

    def withdraw(self, payload: bytes) -> bool:
        """Forget a message that waits here. False: it doesn't."""
        with self._lock:
            for index, out in enumerate(self._outs):
                if out.payload == payload:
                    del self._outs[index]
                    return True
        return False

    def __enter__(self) -> Buffer:
        if self.is_open:
            raise RuntimeError("this buffer is open already: every block needs a queue.buffer() of its own")
        self.is_open = True
        self.outer = _innermost.get()
        self._token = _innermost.set(self)
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
        if self._token is not None:
            _innermost.reset(self._token)
            self._token = None
        if error is None or not (lost := len(self._take())):
            return
        error.add_note(f"taskq: pushes of the buffer that were not sent, because this exception left its block: {lost}")
        if not isinstance(error, Exception):  # sys.exit() and the end of a generator show no note to anybody
            import logging  # a slow import that few need

            text = "pushes of a buffer that were not sent, because %s left its block: %d"
            logging.getLogger("taskq").warning(text, type(error).__name__, lost)

    def _take(self) -> list[Outgoing]:
        if self._pid != os.getpid():
            return []  # in a forked copy of the process: the parent sends them
        with self._lock:
            outs, self._outs = self._outs, []
        return outs


_innermost: ContextVar[Buffer | None] = ContextVar("taskq_buffer", default=None)


def open_buffer(outbox: Store) -> Buffer | None:
    """Return the buffer into which pushes of this outbox's queue go, in this thread or task; None: they are sent at once."""
    buffer = _innermost.get()
    while buffer is not None and not (buffer.outbox is outbox and buffer.is_open):
        buffer = buffer.outer
    return buffer
