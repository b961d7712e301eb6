"""A worker of which a test makes every move."""

from __future__ import annotations

from typing import Any

from taskq import Queue
from taskq.channel import State
from taskq.wire.history import Record, add_record
from taskq.wire.message import Message, wrap_foreign

__all__ = ["HandWorker"]


class HandWorker:
    """Makes the moves of a worker, one at a time."""

    def __init__(self, queue: Queue, channel: str, name: str = "w1") -> None:
        self.sender = queue.sender(channel)
        self.driver = self.sender.driver
        self.name = name

    def beat(self, **fields: Any) -> None:
        """Register, and tell what runs."""
        reported = {"host": "box", "pid": 11, "supervisor": 10, "state": "idle", "job": "", "message": "", "since_ms": 0, **fields}
        self.sender.call(self.driver.heartbeat(self.name, reported, lease_ms=15_000, register=True))

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
        record = Record(kind, 1_700_000_000_000, self.name, message.attempts + 1, error, "Traceback ...")
        new = message.changed(attempts=message.attempts + 1, crashes=1, history=add_record(message.history_bytes(), record))
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
