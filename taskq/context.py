"""What a job can know of its own run: `taskq.current()`."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from taskq.errors import TaskqError

__all__ = ["Context", "Runs", "current", "enter"]


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The message that runs now.

    `attempt` is 1 in the first run. `pushed_at` is the producer's clock, in UTC.
    """

    id: str
    job: str
    channel: str
    attempt: int
    max_attempts: int
    pushed_at_ms: int

    @property
    def pushed_at(self) -> datetime:
        """When it was pushed."""
        return datetime.fromtimestamp(self.pushed_at_ms / 1000, UTC)


class Runs(Protocol):
    """A run that knows its context, or can make it: few jobs ask."""

    @property
    def context(self) -> Context: ...


_current: ContextVar[Runs | None] = ContextVar("taskq_current", default=None)
enter = _current.set


def current() -> Context:
    """Return what is known of the job that runs in this task or thread.

    Raises:
        TaskqError: no job runs here.
    """
    run = _current.get()
    if run is None:
        raise TaskqError("taskq.current() is only known inside a job that a worker runs")
    return run.context
