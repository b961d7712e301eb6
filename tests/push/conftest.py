"""A queue on the shared server, and a look at what it pushed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import Queue
from tests.push.shelf import Shelf
from tests.support.servers import ServerProcess

MakeQueue = Callable[..., Queue]


@pytest.fixture
def make_queue(url: str, prefix: str, tmp_path: Path) -> Iterator[MakeQueue]:
    """Makes queues whose default channel has a prefix of this test's own."""
    made: list[Queue] = []

    def make(to: str = url, **settings: Any) -> Queue:
        channels = {"default": {"channel": prefix}} | settings.pop("channels", {})
        queue = Queue(to, channels=channels, directory=tmp_path, **settings)
        made.append(queue)
        return queue

    yield make
    for queue in made:
        queue.close()


@pytest.fixture
def queue(make_queue: MakeQueue) -> Queue:
    """A queue with the default settings."""
    return make_queue()


@pytest.fixture
def shelf(server: ServerProcess, prefix: str) -> Shelf:
    """The messages in the default channel."""
    return Shelf(server, prefix)
