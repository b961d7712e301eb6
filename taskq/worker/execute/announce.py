"""The listeners to call once a message is settled. They are the application's code, have no time limit, and delay only their process."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from taskq import events
from taskq.context import Context
from taskq.events import JobEvent, Signal

__all__ = ["Announce", "both", "event_of"]

Announce = Callable[[], None]


def event_of(signal: Signal, context: Context, worker: str, **fields: Any) -> Announce | None:
    """Return a function that emits the event of a job, or None without a listener. It sees the context variables of the run."""
    if not signal.receivers:
        return None
    event = JobEvent(context=context, worker=worker, **fields)
    run = copy_context().run
    return lambda: run(events.emit, signal, event)


def both(first: Announce | None, second: Announce | None) -> Announce | None:
    """Return a function that calls both, one after the other."""
    if first is None or second is None:
        return first or second

    def call() -> None:
        first()
        second()

    return call
