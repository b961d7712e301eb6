"""A call on its way: pushed, stored and read again, without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq import Job, Queue
from taskq.wire.message import Message
from taskq.worker.execute.run import Run
from taskq.worker.execute.unpacker import Unpacker

__all__ = ["Send", "receive", "send"]

Send = Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]


def receive(queue: Queue, payload: bytes) -> Run:
    """Return the run that a worker makes of the bytes of a message."""
    unpacker, message = Unpacker(queue, queue.channel("default")), Message(payload)
    opened = unpacker.open(message)
    return unpacker.run(message, opened.body, opened.spec, opened.spec.policy)


def send(job: Job[..., Any], *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Push a call of a job. Return the arguments that a worker would call its function with."""
    queue: Any = job.queue
    run = receive(queue, queue.outbox._pack(job.bind(*args, **kwargs)).payload)
    return run.args, run.kwargs


@pytest.fixture(params=["json", "msgpack"])
def data_queue(request: pytest.FixtureRequest) -> Queue:
    """A queue whose messages hold only data."""
    return Queue("redis://127.0.0.1:1", serializer=request.param, channels={"default": {}})
