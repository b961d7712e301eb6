"""Wait for descriptors of any number: `select` can't handle numbers above 1,023, and an app or a job may open many."""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import Any

__all__ = ["can_take", "wait_for"]


def wait_for(watched: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Return the descriptors that are readable or broken; an empty list after the timeout.

    Args:
        watched: descriptors, or objects with a `fileno()`.
        timeout: seconds, none if negative; None waits without a limit.
    """
    poll = select.poll()
    known = {one if isinstance(one, int) else one.fileno(): one for one in watched}
    for fd in known:
        poll.register(fd, select.POLLIN)
    return [known[fd] for fd, _ in poll.poll(None if timeout is None else max(0.0, timeout) * 1000)]


def can_take(one: Any) -> bool:
    """Return True if a short message can be written without waiting for a hung reader."""
    poll = select.poll()
    poll.register(one.fileno(), select.POLLOUT)
    return bool(poll.poll(0))
