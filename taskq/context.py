"""The context of a running job: `taskq.current()` and `taskq.progress()`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import Context as Variables
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from taskq.errors import TaskqError

__all__ = ["NO_HEADERS", "Context", "Headers", "Runs", "adopt", "current", "enter", "progress", "run_here", "run_if_any"]


class Headers(Mapping[str, str]):
    """The headers of a message, read-only. Unlike a `MappingProxyType`, they can be pickled and copied with their context."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def __getitem__(self, name: str) -> str:
        return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return repr(self._headers)


NO_HEADERS = Headers({})


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The message of the running job; see `taskq.current()`.

    Attributes:
        id: the id of the message (32 hexadecimal digits), as in `Handle.id`.
        job: the name of the job.
        channel: the channel that the message was reserved from.
        attempt: the number of this attempt; 1 in the first run.
        max_attempts: the maximum number of attempts.
        pushed_at_ms: the time of the push by the producer's clock, in milliseconds since the epoch.
        headers: the headers of the message, a read-only mapping of strings to strings; empty if it has none.
    """

    id: str
    job: str
    channel: str
    attempt: int
    max_attempts: int
    pushed_at_ms: int
    headers: Mapping[str, str] = NO_HEADERS

    @property
    def pushed_at(self) -> datetime:
        """The time of the push by the producer's clock, as a datetime in UTC."""
        return datetime.fromtimestamp(self.pushed_at_ms / 1000, UTC)


class Runs(Protocol):
    """Protocol of a run. It makes its context on demand, because few jobs ask for it."""

    @property
    def context(self) -> Context: ...

    @property
    def is_alone(self) -> bool:
        """True if no other job shares the event loop."""
        ...

    def stream_of(self) -> tuple[bytes, float, bool]: ...

    def report_progress(self, done: float, total: float | None, message: str) -> None: ...


_current: ContextVar[Runs | None] = ContextVar("taskq_current", default=None)
enter = _current.set
_MISSING = object()


def current() -> Context:
    """Return the context of the job that is running in this task or thread.

    Raises:
        TaskqError: no job is running here.
    """
    return run_here().context


def run_if_any() -> Runs | None:
    """Return the run in this task or thread, or None if no job is running here."""
    return _current.get()


def run_here() -> Runs:
    """Return the run in this task or thread.

    Raises:
        TaskqError: no job is running here.
    """
    run = _current.get()
    if run is None:
        raise TaskqError("taskq.current() works only inside a running job")
    return run


def progress(done: float, total: float | None = None, message: str = "") -> None:
    """Report the progress of the running job, for `handle.progress()` and `taskq info`.

    Cheap enough to call in every iteration of a loop: at most ten reports a second are sent. An unreachable server doesn't
    delay the job. Outside a worker, as in a direct call of the job, the function does nothing.

    Args:
        done: the amount done, in any unit.
        total: the total amount in the same unit, if known.
        message: a text for people.

    Raises:
        ValueError: a number is not finite, `total` is not positive, or the message is not a string.
    """
    run = _current.get()
    if run is not None:
        run.report_progress(done, total, message)


def adopt(variables: Variables) -> None:
    """Set the context variables of another context in the current one."""
    for variable, value in variables.items():
        if variable.get(_MISSING) is not value:
            variable.set(value)
