"""A call that can run: what is the same for every message of a job, and what is this message's own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from taskq import context as contexts
from taskq.context import Context
from taskq.jobs.call import Callee
from taskq.jobs.options import OnFail
from taskq.jobs.retry import RetryPolicy
from taskq.push.buffer import drop_left_open
from taskq.wire.codec import Serializer
from taskq.wire.message import Message
from taskq.worker.execute.progress import Report, Reporter

__all__ = ["Run", "RunSpec"]

_log = logging.getLogger("taskq.worker")


class RunSpec(msgspec.Struct, frozen=True):
    """How the messages of one job run in one channel, as far as they don't say otherwise."""

    job: Callee
    policy: RetryPolicy
    timeout: float
    #: How the arguments must be written, unless another program has written them.
    serializer: Serializer
    channel: str
    #: Whether the job is that of any object with handle(), which may have its own fail().
    is_object: bool
    reporter: Reporter
    #: What is called: of a generator job what runs it to its end.
    function: Callable[..., Any]
    #: Whether that is a coroutine function.
    is_async: bool
    #: Whether the job yields parts.
    is_stream: bool


class Run(msgspec.Struct):
    """A call that can run, and how. One is made for every message: what is rarely asked is made when it is."""

    spec: RunSpec
    message: Message
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    policy: RetryPolicy
    timeout: float
    #: What operators see.
    label: str
    #: Seconds for which the result is kept, 0: not at all.
    result_ttl: float = 0.0
    #: What the job has told of its progress, if it has.
    report: Report | None = None
    _context: Context | None = None

    @property
    def name(self) -> str:
        """The registered name."""
        return self.spec.job.name

    @property
    def function(self) -> Callable[..., Any]:
        """What is called: of a generator job what runs it to its end."""
        return self.spec.function

    @property
    def on_fail(self) -> OnFail | None:
        """Who is told when the job has failed for good."""
        if self.spec.is_object and self.args:
            fail: OnFail | None = getattr(self.args[0], "fail", None)
            return fail
        return self.spec.job.options_of_job.on_fail

    @property
    def context(self) -> Context:
        """What the job can know of its run."""
        context = self._context
        if context is None:
            message = self.message
            context = self._context = Context(
                id=message.hex_id,
                job=self.label,
                channel=self.spec.channel,
                # Of a run that was counted as the last there is none after it.
                attempt=min(message.attempts + 1, max(self.policy.max_attempts, 1)),
                max_attempts=self.policy.max_attempts,
                pushed_at_ms=message.pushed_at_ms,
            )
        return context

    def leave(self) -> None:
        """Put back what the run has set around itself, and send the last of its progress."""
        self._put_back()
        if self.report is not None:
            self.report.flush()

    async def aleave(self) -> None:
        """The same on an event loop, on which others run meanwhile."""
        self._put_back()
        if self.report is not None:
            await self.report.aflush()

    def _put_back(self) -> None:
        """Put back its context, and the buffers it has left open."""
        contexts.enter(None)
        if dropped := drop_left_open():
            text = "%s %s has left a buffer open; pushes that were not sent: %d"
            _log.error(text, self.label, self.message.hex_id, dropped)

    def report_progress(self, done: float, total: float | None, message: str) -> None:
        """What `taskq.progress` calls inside the job."""
        if self.report is None:
            self.report = Report(self.spec.reporter, self.message.hex_id, self.message.attempts + 1)
        self.report.update(done, total, message)

    def stream_of(self) -> tuple[bytes, float]:
        """What a generator job's parts belong to, and for how many seconds they are kept; 0: nobody can ask for them."""
        return self.message.id, self.result_ttl
