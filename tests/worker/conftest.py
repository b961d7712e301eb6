"""A queue without a server, from which messages are packed by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import Queue
from taskq.clock import monotonic
from taskq.jobs.call import Call
from taskq.scoreboard.slot import Scoreboard, Slot
from taskq.supervisor.processes.fork import make_lock
from taskq.wire.message import Message
from taskq.worker.execute.unpacker import Unpacker


class Bench:
    """A queue whose messages never travel: packed here, opened here."""

    def __init__(self, **settings: Any) -> None:
        self.queue = Queue("unix:///nowhere.sock", **settings)

    def pack(self, call: Call[Any]) -> Message:
        """Return the message that a push would store."""
        return Message(self.queue.outbox.packer.pack(call).payload)

    def unpacker(self, channel: str = "default") -> Unpacker:
        """Return what opens the messages of a channel in a worker."""
        return Unpacker(self.queue, self.queue.channel(channel))


def open_slot(lanes: int) -> Slot:
    """Return the slot of a concurrent worker process that has just sent a heartbeat."""
    slot = Scoreboard([make_lock()])[0]
    slot.lanes.open(lanes)
    slot.set_beat(monotonic())
    slot.lease = 10.0
    return slot


@pytest.fixture
def bench() -> Bench:
    """One with the default settings."""
    return Bench()


@pytest.fixture
def slow_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module whose import takes a minute."""
    name = f"slow_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text("import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)
