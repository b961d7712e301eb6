"""Retries of idempotent pushes, and the error for an unknown outcome."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from taskq.clock import monotonic
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Command
from taskq.driver.pool import LinkPool, Unconfirmed
from taskq.driver.steps import Steps, arun, run
from taskq.errors import PushOutcomeUnknown, QueueFull, ServerError, ServerUnavailable
from taskq.handle.handle import Handle

__all__ = ["apush", "push"]

#: For how many seconds an idempotent push is retried while the server is unreachable.
REPEAT_SECONDS = 10.0

_SENT = (
    "The connection broke after the push was sent; it may or may not have been stored. error.handle.delete() removes it. "
    "With options(once=True), taskq retries such a push without storing it twice."
)
_EARLIER = "The connection broke after an earlier try was sent; it may or may not have been stored. error.handle.delete() removes it."
_STORED = (
    "The push is stored on the primary and may already run, but a failover could lose it. To undo: error.handle.delete(); "
    "pushing again without that adds a second message. With options(once=True), taskq waits ten seconds for the replicas."
)


def push(sender: LinkPool, command: Command, handles: Iterable[Handle[Any]], *, repeatable: bool = False) -> None:
    """Send a push. Retry an idempotent (`repeatable`) one until the server replies.

    Raises:
        PushOutcomeUnknown: the connection broke after the push was sent, or too few replicas confirmed it.
        ServerUnavailable: the server is unreachable; nothing was stored.
    """
    deadline = monotonic() + REPEAT_SECONDS if repeatable else 0.0
    try:
        sender.call(command, replicas=sender.replicas)
    except ServerUnavailable as error:
        run(_repeat(command, handles, error, deadline), partial(sender.call, replicas=sender.replicas))


async def apush(sender: LinkPool, command: Command, handles: Iterable[Handle[Any]], *, repeatable: bool = False) -> None:
    """Send a push from async code; see `push`."""
    deadline = monotonic() + REPEAT_SECONDS if repeatable else 0.0
    try:
        await sender.acall(command, replicas=sender.replicas)
    except ServerUnavailable as error:
        await arun(_repeat(command, handles, error, deadline), partial(sender.acall, replicas=sender.replicas))


def _repeat(command: Command, handles: Iterable[Handle[Any]], error: ServerUnavailable, deadline: float) -> Steps[None]:
    """Repeat a push that ended with `error`, until the server replies or the deadline is reached. Raises as `push`."""
    backoff = Backoff(0.05, 1.0, deadline=deadline)
    sent = False
    while True:
        sent = sent or error.sent
        try:
            pause = backoff.pause_after(error)
        except ServerUnavailable:
            if not sent:
                raise
            reason = _STORED if isinstance(error, Unconfirmed) else _SENT
            raise PushOutcomeUnknown(f"{str(error).rstrip('.')}. {reason}", *handles) from error
        yield pause
        try:
            yield command
            return
        except ServerUnavailable as failed:
            error = failed
        except (ServerError, QueueFull) as refusal:
            if not sent:
                raise
            raise PushOutcomeUnknown(f"{str(refusal).rstrip('.')}. {_EARLIER}", *handles) from refusal
