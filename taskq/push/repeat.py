"""Retries of idempotent pushes, and the error for an unknown outcome."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.driver.pool import LinkPool, Unconfirmed
from taskq.errors import PushOutcomeUnknown, ServerUnavailable
from taskq.handle.handle import Handle

__all__ = ["PushRetries", "apush", "push"]

#: For how many seconds an idempotent push is retried while the server is unreachable.
REPEAT_SECONDS = 10.0

_SENT = (
    "The connection broke after the push was sent; it may or may not have been stored. error.handle.delete() removes it. "
    "With options(once=True), taskq retries such a push without storing it twice."
)
_STORED = (
    "The push is stored on the primary and may already run, but a failover could lose it. To undo: error.handle.delete(); "
    "pushing again without that adds a second message. With options(once=True), taskq waits ten seconds for the replicas."
)


class PushRetries:
    """The retries of one push, and the error that ends them."""

    def __init__(self, handles: Sequence[Handle[Any]], repeatable: bool) -> None:
        self._handles = handles
        self._deadline = monotonic() + REPEAT_SECONDS if repeatable else 0.0
        self._pause = 0.05
        self._sent = False

    def pause_after(self, error: ServerUnavailable) -> float:
        """Return the seconds until the next try.

        Raises:
            PushOutcomeUnknown, ServerUnavailable: the push is not idempotent, or the time is up.
        """
        self._sent = self._sent or error.sent
        if monotonic() + self._pause < self._deadline:
            self._pause = min(1.0, self._pause * 2)
            return self._pause / 2
        if not self._sent:
            raise error
        raise PushOutcomeUnknown(
            f"{str(error).rstrip('.')}. {_STORED if isinstance(error, Unconfirmed) else _SENT}", *self._handles
        ) from error


def push(sender: LinkPool, command: Command, handles: Sequence[Handle[Any]], *, repeatable: bool = False) -> None:
    """Send a push. Retry an idempotent (`repeatable`) one until the server replies.

    Raises:
        PushOutcomeUnknown: the connection broke after the push was sent, or too few replicas confirmed it.
        ServerUnavailable: the server is unreachable; nothing was stored.
    """
    retries = PushRetries(handles, repeatable)
    while True:
        try:
            sender.call(command, replicas=sender.replicas)
            return
        except ServerUnavailable as error:
            pause = retries.pause_after(error)
        time.sleep(pause)


async def apush(sender: LinkPool, command: Command, handles: Sequence[Handle[Any]], *, repeatable: bool = False) -> None:
    """Send a push from async code; see `push`."""
    import asyncio

    retries = PushRetries(handles, repeatable)
    while True:
        try:
            await sender.acall(command, replicas=sender.replicas)
            return
        except ServerUnavailable as error:
            pause = retries.pause_after(error)
        await asyncio.sleep(pause)
