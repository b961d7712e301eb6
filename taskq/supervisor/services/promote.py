"""The service that moves delayed messages to waiting when they are due."""

from __future__ import annotations

import random
from collections.abc import Callable

from taskq.clock import monotonic
from taskq.errors import QueueFull, ServerError
from taskq.supervisor.channel import ChannelState
from taskq.worker_id import machine_name, machine_tag, new_worker_id

__all__ = ["Promote"]


class Promote:
    """Moves delayed messages to waiting when they are due, to the millisecond: sleeps until the next one is.

    The server wakes it with a token when an earlier one arrives; looking once a second is only the safety net.
    """

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self._channel = channel
        self._wake = channel.driver.link(1.0)
        self._asked: float | None = None
        self._listen_after = 0.0
        self._worker = new_worker_id(machine_name(), machine_tag())
        #: Called when one of this supervisor's jobs is cancelled.
        self.on_call: Callable[[], None] = lambda: None

    def tick(self, now: float) -> None:
        self._listen(now)
        reply = self._channel.ask(self._channel.driver.promote())
        if reply is None:
            self.due = now + 0.1
            return
        _, wait_ms = reply
        self.due = now + (_IDLE_POLL if wait_ms < 0 else min(_IDLE_POLL, wait_ms / 1000))

    def fileno(self) -> int | None:
        """The socket on which the token arrives, while it is awaited."""
        return None if self._asked is None else self._wake.fileno()

    def woken(self) -> None:
        """The token, the end of the wait, or a broken connection is there."""
        self._asked = None
        try:
            reply = self._wake.receive()
            if reply and reply[0] != self._channel.driver.keys.wake.encode():
                self.on_call()
        except (ServerError, QueueFull):
            self._give_up_listening()
            return
        self.due = 0.0

    def close(self) -> None:
        self._asked = None
        self._wake.close()

    def _listen(self, now: float) -> None:
        if self._asked is not None:
            if now - self._asked < _WAKE_SECONDS + 2.0:
                return
            self.close()  # the server should have answered by now: the connection leads nowhere
        if now < self._listen_after or self._channel.is_down:
            return
        try:
            self._wake.send(self._channel.driver.wait_for_wake(_WAKE_SECONDS, self._worker))
            self._asked = now
        except (ServerError, QueueFull):
            self._give_up_listening()

    def _give_up_listening(self) -> None:
        """Look once a second for a while: a server that refuses at once must not be asked at once again."""
        self._wake.close()
        self._listen_after = monotonic() + random.uniform(0.5, 1.5)


_IDLE_POLL = 1.0


#: How long to wait for a token before asking anew: a connection that leads nowhere is noticed by then.
_WAKE_SECONDS = 8.0
