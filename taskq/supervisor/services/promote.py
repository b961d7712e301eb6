"""The service that moves delayed messages to waiting when they are due."""

from __future__ import annotations

from taskq.supervisor.channel import ChannelState

__all__ = ["Promote"]

#: Seconds between checks without a wake-up: only a safety net.
_IDLE_POLL = 1.0


class Promote:
    """Promotes delayed messages to the millisecond: sleeps until the next one is due, or until a wake-up."""

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self._channel = channel

    def wake(self) -> None:
        """Check at once: a message is due earlier than expected."""
        self.due = 0.0

    def tick(self, now: float) -> None:
        reply = self._channel.ask(self._channel.driver.promote())
        if reply is None:
            self.due = now + 0.1
            return
        self.expect(reply[1], now)

    def expect(self, wait_ms: int, now: float) -> None:
        """Note in how many milliseconds the next message is due, by the server's answer; -1 if none is left."""
        self.due = now + (_IDLE_POLL if wait_ms < 0 else min(_IDLE_POLL, wait_ms / 1000))
