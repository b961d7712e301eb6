"""A run: the parts that all messages of a job share, and the parts of one message."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from taskq.context import NO_HEADERS, Context, Headers, enter
from taskq.jobs.call import Callee
from taskq.jobs.options import OnFail
from taskq.jobs.retry import RetryPolicy
from taskq.push.buffer import drop_left_open, innermost
from taskq.wire.codec import Serializer
from taskq.wire.headers import read_headers
from taskq.wire.message import Flag, Message
from taskq.worker.execute.progress import Report, Reporter

if TYPE_CHECKING:
    from taskq.jobs.typed.validator import Validator

__all__ = ["Run", "RunSpec", "headers_of"]

_log = logging.getLogger("taskq.worker")


class RunSpec(msgspec.Struct, frozen=True):
    """How the messages of one job run in one channel, by default."""

    job: Callee
    policy: RetryPolicy
    timeout: float
    #: The serializer of the arguments, except in messages of other programs.
    serializer: Serializer
    #: Rebuilds the arguments by the type hints of the job, or None.
    validator: Validator | None
    #: The serializer of the result, which may check it first.
    results: Serializer
    channel: str
    #: The number of concurrent jobs in this process.
    concurrency: int
    #: The policy of the channel for a message whose worker process crashed.
    lost_is_timeout: bool
    max_crashes: int
    #: True for the built-in job of objects with handle(), which may have their own fail().
    is_object: bool
    reporter: Reporter
    #: The function to call, with its wrappers; for a generator job, a function that runs the generator to its end.
    function: Callable[..., Any]
    #: True if that is a coroutine function.
    is_async: bool
    #: True if the job yields items.
    is_stream: bool


class Run(msgspec.Struct):
    """One run of a message. It is created for every message; rarely used values are computed on demand."""

    spec: RunSpec
    message: Message
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    policy: RetryPolicy
    timeout: float
    #: The name that operators see.
    label: str
    #: Seconds that the result is stored; 0: not at all.
    result_ttl: float = 0.0
    #: The headers as they are stored: names and values.
    headers: list[str] | None = None
    #: The job's progress, if it has reported any.
    report: Report | None = None
    _context: Context | None = None

    @property
    def name(self) -> str:
        """The registered name."""
        return self.spec.job.name

    @property
    def is_alone(self) -> bool:
        """True if no other job shares the event loop."""
        return self.spec.concurrency == 1

    @property
    def on_fail(self) -> OnFail | None:
        """The job's `on_fail` callback, called after the last failed attempt."""
        if self.spec.is_object and self.args and (fail := getattr(self.args[0], "fail", None)) is not None:
            return fail  # type: ignore[no-any-return]
        return self.spec.job.options_of_job.on_fail

    @property
    def context(self) -> Context:
        """The context of the run: `taskq.current()`."""
        context = self._context
        if context is None:
            message = self.message
            context = self._context = Context(
                id=message.hex_id,
                job=self.label,
                channel=self.spec.channel,
                # The last attempt is the last, even if it runs again.
                attempt=min(message.attempts + 1, max(self.policy.max_attempts, 1)),
                max_attempts=self.policy.max_attempts,
                pushed_at_ms=message.pushed_at_ms,
                headers=headers_of(self.headers),
            )
        return context

    def leave(self) -> None:
        """Unset the context, drop the buffers that the job has left open, and send the last progress report."""
        enter(None)
        if self.spec.is_async:
            self._drop_arguments()
        if innermost() is not None:
            self._drop_left_open()
        if self.report is not None:
            self.report.flush()

    def leave_on_loop(self) -> None:
        """The same on the event loop, except for the report: sending it blocks."""
        enter(None)
        self._drop_arguments()
        if innermost() is not None:
            self._drop_left_open()

    def _drop_arguments(self) -> None:
        # The event loop keeps cancelled timers until they are due, with the context in which they were set, which refers to this run.
        self.args, self.kwargs = (), {}

    def _drop_left_open(self) -> None:
        if dropped := drop_left_open():
            text = "%s %s left a buffer open; %d pushes were not sent"
            _log.error(text, self.label, self.message.hex_id, dropped)

    def report_progress(self, done: float, total: float | None, message: str) -> None:
        """Note a progress report: `taskq.progress` calls this inside the job."""
        if self.report is None:
            self.report = Report(self.spec.reporter, self.message.hex_id, self.message.attempts + 1)
        self.report.update(done, total, message)

    def stream_of(self) -> tuple[bytes, float, bool]:
        """Return what the items of a generator job need to know.

        Returns:
            the id of the message; the seconds that its items are stored (0: they are not stored); True if no other run follows a crash of
            the process.
        """
        message, spec = self.message, self.spec
        lost_is_timeout = message.flags & Flag.LOST_IS_TIMEOUT or (spec.lost_is_timeout and not message.flags & Flag.LOST_IS_RETRY)
        return message.id, self.result_ttl, bool(lost_is_timeout) or message.crashes >= spec.max_crashes


def headers_of(stored: list[str] | None) -> Headers:
    """Return the headers of a context. They are stored as names and values, or as None without headers."""
    return Headers(read_headers(stored)) if stored else NO_HEADERS
