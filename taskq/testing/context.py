"""The context of a job, for plain calls of its function: `with taskq.testing.context(...)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from taskq import context as contexts
from taskq.clock import now_ms
from taskq.context import Context, Headers
from taskq.wire.headers import check_headers
from taskq.wire.message import new_id
from taskq.worker.execute.progress import check_progress

__all__ = ["context"]


class _Run:
    """The substitute of a run: it has a context, and checks the progress that is reported."""

    #: As in a worker with the default `concurrency`.
    is_alone = True

    def __init__(self, context: Context) -> None:
        self.context = context

    def stream_of(self) -> tuple[bytes, float, bool]:
        return bytes.fromhex(self.context.id), 0.0, False

    def report_progress(self, done: float, total: float | None, message: str) -> None:
        check_progress(done, total, message)


@contextmanager
def context(
    *,
    id: str | None = None,  # noqa: A002 (the names are those of `Context`)
    job: str = "test",
    channel: str = "default",
    attempt: int = 1,
    max_attempts: int = 3,
    pushed_at_ms: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Context]:
    """Let `taskq.current()` work in the block, so that a test can call a job's function directly. Nothing is pushed or run.

    Args:
        id: the id of the message. Default: a new one.
        job: the name of the job.
        channel: the channel.
        attempt: the number of the attempt.
        max_attempts: the maximum number of attempts.
        pushed_at_ms: the time of the push, in milliseconds since the epoch. Default: now.
        headers: the headers of the message.

    Yields:
        The context that `taskq.current()` returns in the block.
    """
    run = _Run(
        Context(
            id=id or new_id().hex(),
            job=job,
            channel=channel,
            attempt=attempt,
            max_attempts=max_attempts,
            pushed_at_ms=now_ms() if pushed_at_ms is None else pushed_at_ms,
            headers=Headers(check_headers(headers or {})),
        )
    )
    outer = contexts.run_if_any()
    contexts.enter(run)
    try:
        yield run.context
    finally:
        contexts.enter(outer)
