"""How long a push is repeated, and what is told of one whose outcome isn't known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.driver.pool import LinkPool, Unconfirmed
from taskq.errors import PushOutcomeUnknown, ServerUnavailable
from taskq.handle.handle import Handle

__all__ = ["Patience", "apush", "push"]

#: How long a repeatable push is repeated while the server doesn't answer.
REPEAT_SECONDS = 10.0

_LEFT = (
    "The push had left: it may or may not be stored. handle.delete() withdraws it; "
    "with options(once=True) taskq repeats such a push without storing it twice."
)
_STORED = (
    "The push is stored on the master and may already run, but a failover now could lose it. handle.delete() withdraws it while it is "
    "pending; pushed again without that it is a second message. With options(once=True) taskq waits for ten seconds."
)


class Patience:
    """How often a push is repeated, and what is known of it when that ends."""

    def __init__(self, handles: Sequence[Handle[Any]], repeatable: bool) -> None:
        self._handles = handles
        self._deadline = monotonic() + REPEAT_SECONDS if repeatable else 0.0
        self._pause = 0.05
        self._sent = False

    def pause_after(self, error: ServerUnavailable) -> float:
        """Return the seconds until the push is repeated.

        Raises:
            PushOutcomeUnknown, ServerUnavailable: it can't be, or there is no time left.
        """
        self._sent = self._sent or error.sent
        if monotonic() + self._pause < self._deadline:
            self._pause = min(1.0, self._pause * 2)
            return self._pause / 2
        if not self._sent:
            raise error
        raise PushOutcomeUnknown(
            f"{str(error).rstrip('.')}. {_STORED if isinstance(error, Unconfirmed) else _LEFT}", *self._handles
        ) from error


def push(sender: LinkPool, command: Command, handles: Sequence[Handle[Any]], *, repeatable: bool = False) -> None:
    """Send a push. A repeatable one is repeated until the server answers.

    Raises:
        PushOutcomeUnknown: the connection broke after the push had left, or too few replicas confirmed it.
        ServerUnavailable: the server doesn't answer; nothing was stored.
    """
    patience = Patience(handles, repeatable)
    while True:
        try:
            sender.call(command, replicas=sender.replicas)
            return
        except ServerUnavailable as error:
            pause = patience.pause_after(error)
        time.sleep(pause)


async def apush(sender: LinkPool, command: Command, handles: Sequence[Handle[Any]], *, repeatable: bool = False) -> None:
    """The same from async code."""
    import asyncio

    patience = Patience(handles, repeatable)
    while True:
        try:
            await sender.acall(command, replicas=sender.replicas)
            return
        except ServerUnavailable as error:
            pause = patience.pause_after(error)
        await asyncio.sleep(pause)
