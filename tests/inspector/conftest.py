"""A queue on the shared server, and a worker of which the test makes every move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.history import Record, add_record
from taskq.inspector import Inspector
from taskq.message import Message, wrap_foreign


class HandWorker:
    """Makes the moves of a worker, one at a time."""

    def __init__(self, queue: Queue, channel: str, name: str = "w1") -> None:
        self.sender = queue.sender(channel)
        self.driver = self.sender.driver
        self.name = name

    def beat(self, **fields: Any) -> None:
        """Register, and tell what runs."""
        told = {"host": "box", "pid": 11, "supervisor": 10, "state": "idle", "job": "", "message": "", "since_ms": 0, **fields}
        self.sender.call(self.driver.heartbeat(self.name, told, lease_ms=15_000, register=True))

    def reserve(self, count: int = 1000) -> list[bytes]:
        """Take messages as the worker does."""
        self.beat()
        _, _, messages = self.sender.call(self.driver.reserve(self.name, count, ()))
        return list(messages)

    def set_aside(self, raw: bytes, state: State = State.FAILED, error: str = "ValueError: no") -> bytes:
        """Fail, time out or park a reserved message."""
        self.beat()
        message = Message(raw)
        kind: Any = "parked" if state is State.PARKED else "failed"
        record = Record(kind, 1_700_000_000_000, self.name, message.head.attempts + 1, error, "Traceback ...")
        new = message.changed(attempts=message.head.attempts + 1, crashes=1, history=add_record(message.history_bytes(), record))
        if state is State.PARKED:
            assert self.sender.call(self.driver.park(self.name, message.id, new)) == 1
        else:
            assert self.sender.call(self.driver.fail(self.name, state, message.id, new)) == 1
        return new

    def stamp(self, raw: bytes) -> bytes:
        """Put a head before a foreign message."""
        wrapped = wrap_foreign(raw)
        self.sender.call(self.driver.stamp(self.name, [(raw, wrapped)]))
        return wrapped


def add(a: int, b: int = 0) -> int:
    return a + b


def send(to: str) -> None:
    """Another job."""


@pytest.fixture
def queue(url: str, prefix: str) -> Iterator[Queue]:
    """A queue with the jobs `add` (4 attempts) and `send`, and the channel of this test's prefix."""
    queue = Queue(url, channels={prefix: {"max_attempts": 7}})
    queue.job(channel=prefix, name="shop.jobs:add", max_attempts=4)(add)
    queue.job(channel=prefix, name="shop.jobs:send")(send)
    yield queue
    queue.close()


@pytest.fixture
def worker(queue: Queue, prefix: str) -> HandWorker:
    """A worker of the test's channel."""
    return HandWorker(queue, prefix)


@pytest.fixture
def inspector(queue: Queue) -> Inspector:
    """Looks into that queue."""
    return Inspector(queue)
