"""Wait for descriptors of any number: `select` can't handle numbers above 1,023, and an app or a job may open many."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Collection, Iterable
from typing import Any

__all__ = ["can_take", "wait_for", "write_within"]


def wait_for(watched: Iterable[Any], timeout: float | None = None, *, full: Collection[Any] = ()) -> list[Any]:
    """Return the descriptors that are readable or broken; an empty list after the timeout.

    Args:
        watched: descriptors, or objects with a `fileno()`.
        timeout: seconds, none if negative; None waits without a limit.
        full: those of them that are also returned once they can be written to.
    """
    poll = select.poll()
    known = {one if isinstance(one, int) else one.fileno(): one for one in watched}
    for fd, one in known.items():
        poll.register(fd, select.POLLIN | select.POLLOUT if one in full else select.POLLIN)
    return [known[fd] for fd, _ in poll.poll(None if timeout is None else max(0.0, timeout) * 1000)]


def can_take(one: Any) -> bool:
    """Return True if a short message can be written without waiting for a hung reader."""
    poll = select.poll()
    poll.register(one.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


def write_within(seconds: float, fd: int, data: bytes) -> int:
    """Write to a non-blocking descriptor. Give up after `seconds` without room. Return the number of bytes written."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    written = 0
    while written < len(data) and poll.poll(seconds * 1000):
        with contextlib.suppress(BlockingIOError):
            written += os.write(fd, data[written:])
    return written
