"""The stored data of one channel, as the inspector reads it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from taskq.channel import STATES, State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, Driver
from taskq.driver.redis.checks import check_kinds
from taskq.errors import ServerRefused, ServerUnavailable
from taskq.inspector.threads import check_stopped
from taskq.inspector.walk import Call, Item, Walk
from taskq.wire.message import REMOVED

__all__ = ["FLUSHED", "Store", "naming"]

#: The states that can be flushed: reserved messages are running.
FLUSHED = tuple(state for state in STATES if state is not State.RESERVED)
_MARK = bytes((REMOVED,))


def naming(call: Call, driver: Driver, channel: str) -> Call:
    """Wrap `call`: if another program uses a key of the channel, the error names the key, which the server's reply doesn't."""

    def ask(command: Command) -> Any:
        check_stopped()
        try:
            return call(command)
        except ServerRefused as error:
            if "WRONGTYPE" in str(error):
                with suppress(ServerUnavailable):
                    check_kinds(call, driver, channel)
            raise

    return ask


class Store(NamedTuple):
    """The stored data of one channel."""

    settings: ChannelSettings
    call: Call
    driver: Driver

    def count(self, state: State) -> int:
        if state is State.RESERVED:
            return sum(self.call(self.driver.held(worker)) for worker, _ in self.workers())
        return int(self.call(self.driver.count(state)))

    def workers(self) -> list[tuple[str, float]]:
        """Return each registered worker process with the time of its last heartbeat, in milliseconds since the epoch."""
        reply = self.call(self.driver.workers())
        return [(worker.decode(errors="replace"), float(beat)) for worker, beat in zip(reply[::2], reply[1::2], strict=True)]

    def now_ms(self) -> float:
        seconds, micros = self.call(self.driver.time())
        return int(seconds) * 1000 + int(micros) / 1000

    def past_ms(self) -> float:
        """Return the server's time once it is over: messages that reach a state from now on get a later score.

        Scores are whole milliseconds.
        """
        now = self.now_ms()
        time.sleep(0.001)
        return now

    def pages(self, state: State) -> Iterator[tuple[str, Sequence[Item]]]:
        """Yield pages of messages, oldest first, with the worker process that reserved them, or ""."""
        if state is State.RESERVED:
            for worker, _ in self.workers():
                yield worker, _stored([Item(0.0, raw) for raw in self.call(self.driver.holdings(worker))])
            return
        walk = Walk(self.call, self.driver, state)
        while page := walk.page():
            yield "", _stored(page)


def _stored(items: list[Item]) -> list[Item]:
    """Return the items without those that mark the places of removed messages."""
    return [item for item in items if item.raw[:1] != _MARK]
