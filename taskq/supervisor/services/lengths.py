"""The service that emits the message counts of a channel: every 500 messages or 10 seconds, whichever is first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.channel import State
from taskq.events import QueueLength
from taskq.supervisor.channel import ChannelState

__all__ = ["EVERY_MESSAGES", "EVERY_SECONDS", "Lengths"]

EVERY_MESSAGES = 500
EVERY_SECONDS = 10.0
_LOOK = 0.5


class Lengths:
    """Counts the messages of every state. Does nothing without listeners."""

    def __init__(self, channel: ChannelState, emit: Callable[[str, Any], None]) -> None:
        self.due = 0.0
        self.listened = False
        self._channel = channel
        self._emit = emit
        self._last = -EVERY_SECONDS
        self._ended = 0

    def tick(self, now: float) -> None:
        if not self.listened:
            self.due = now + EVERY_SECONDS
            return
        self.due = now + _LOOK
        ended = self._channel.counts()[0]
        if ended - self._ended < EVERY_MESSAGES and now - self._last < EVERY_SECONDS:
            return
        self._ended, self._last = ended, now
        driver, ask = self._channel.driver, self._channel.ask
        workers = [worker.decode(errors="replace") for worker in (ask(driver.workers()) or ())[::2]]
        # One command for all workers: there may be thousands.
        waiting, due, reserved, later, _ = ask(driver.look(workers)) or (0, 0, 0, 0, 0)
        counts = {State.WAITING: waiting, State.DELAYED: due + later, State.RESERVED: reserved}
        for state in (State.FAILED, State.TIMEOUT, State.PARKED):
            counts[state] = int(ask(driver.count(state)) or 0)
        if not self._channel.is_down:
            self._emit("queue_length", QueueLength(channel=self._channel.name, counts=counts))
