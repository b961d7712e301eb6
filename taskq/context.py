"""What a job can know of its own run: `taskq.current()`."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from taskq.errors import TaskqError

__all__ = ["Context", "Runs", "current", "enter", "progress", "run_here"]


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

    def stream_of(self) -> tuple[bytes, float]: ...

    def report_progress(self, done: float, total: float | None, message: str) -> None: ...


_current: ContextVar[Runs | None] = ContextVar("taskq_current", default=None)
enter = _current.set


def current() -> Context:
    """Return what is known of the job that runs in this task or thread.

    Raises:
        TaskqError: no job runs here.
    """
    return run_here().context


def run_here() -> Runs:
    """Return the run of this task or thread.

    Raises:
        TaskqError: no job runs here.
    """
    run = _current.get()
    if run is None:
        raise TaskqError("taskq.current() is only known inside a job that a worker runs")
    return run


def progress(done: float, total: float | None = None, message: str = "") -> None:
    """Tell how far the job is, for `handle.progress()` and `taskq info`. Cheap enough for every turn of a loop: ten a second are sent.

    Outside of a worker, as in a plain call of the job, it does nothing. A server that doesn't answer doesn't hinder the job.

    Args:
        done: how much is done, in whatever unit.
        total: how much there is in all, when that is known.
        message: what a person may want to read.

    Raises:
        ValueError: a number isn't finite, `total` isn't above 0, or the message is no text.
    """
    run = _current.get()
    if run is not None:
        run.report_progress(done, total, message)
