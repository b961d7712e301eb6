"""One channel of a supervisor, on a real server, with children that have no process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import Queue
from taskq.scoreboard.slot import Scoreboard
from taskq.scoreboard.state import Phase
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child
from taskq.wire.message import Message
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess
from tests.support.store import Store


class Channel:
    """A channel's state, its producer, and its children's hands."""

    def __init__(self, server: ServerProcess, prefix: str, **settings: Any) -> None:
        self.queue = Queue(server.url, channels={prefix: settings})
        self.job = self.queue.job(channel=prefix, name="work")(lambda number=0: None)
        self.store = Store(server, prefix)
        self.prefix = prefix
        self.channel = ChannelState(self.queue.channel(prefix), server.url, 1)
        self._scoreboard = Scoreboard([multiprocessing.get_context("fork").Lock() for _ in range(128)])

    def child(self, name: str = "w1") -> Child:
        """Add a child that is registered and has no process."""
        place = len(self.channel.children)
        child = Child(place, name, self.prefix, self._scoreboard[place], 0)
        self.channel.children[name] = child
        self.hand(name).beat()
        child.registered = True
        return child

    def hand(self, name: str = "w1") -> HandWorker:
        """Return what makes a child's moves at the server."""
        return HandWorker(self.queue, self.prefix, name)

    def reserve(self, child: Child, count: int) -> list[Message]:
        """Push so many messages, let the child reserve them all, and begin the batch."""
        self.job.push_many([(number,) for number in range(count)])
        messages: list[Message] = []
        while len(messages) < count:
            messages += map(Message, self.hand(child.worker).reserve(count))
        child.slot.begin_batch([message.id for message in messages])
        child.slot.set_phase(Phase.RUNNING)
        return messages

    def occupy(self, child: Child, count: int, *, deadlines: tuple[float, ...] = (), now: float = 0.0) -> list[Message]:
        """The same for a child with lanes; each with a deadline is started, 0.0 for one without a limit."""
        self.job.push_many([(number,) for number in range(count)])
        messages: list[Message] = []
        while len(messages) < count:
            messages += map(Message, self.hand(child.worker).reserve(count))
        slot = child.slot
        slot.lanes.open(count)
        slot.set_phase(Phase.RUNNING)
        slot.lanes.reserve([(lane, message.id) for lane, message in enumerate(messages)], now)
        for lane, deadline in enumerate(deadlines):
            assert slot.claim(lane, now, 1)
            slot.lanes.describe(lane, "work", 1234, deadline, 20)
        return messages

    def close(self) -> None:
        self.channel.link.close()
        self.queue.close()


@pytest.fixture
def place(server: ServerProcess, prefix: str) -> Iterator[Channel]:
    """A channel with the default settings except for quick retries."""
    place = Channel(server, prefix, max_crashes=1)
    yield place
    place.close()
