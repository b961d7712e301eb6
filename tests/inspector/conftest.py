"""A queue on the shared server, and a worker of which the test makes every move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq import Queue
from taskq.inspector import Inspector
from tests.support.hand import HandWorker


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
