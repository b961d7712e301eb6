"""Jobs that reach their limit at any moment of what they do in a tight loop."""

from __future__ import annotations

import logging
import queue as queues
from typing import Any

from taskq import Queue
from tests.support.ledger import note

queue = Queue()
LIMIT = 0.002
_log = logging.getLogger(__name__)
_items: queues.Queue[int] = queues.Queue()


def _client() -> Any:
    """Return a client of this job's own: redis-py's connections don't survive an interruption at every moment."""
    import redis

    return redis.Redis.from_url(queue.url(), single_connection_client=True)


@queue.on_start
def prepare() -> None:
    """Import and connect before the first job."""
    item.push(0, delay=3_600)
    _client().zadd("numbers", {"x": 1.5})


@queue.job(handle_timeout=LIMIT, max_attempts=1)
def loop(how: str) -> None:
    """Push, send numbers through redis-py, or log and use a queue, until the limit."""
    number, client = 0, _client()
    while True:
        number += 1
        if how == "push":
            item.push(number, delay=3_600)
        elif how == "redis":
            client.zadd("numbers", {"x": number, "y": 0.5}, ch=True)
        else:
            _items.put(number)
            _items.get()
            _log.warning("%d", number)
            sum(range(5_000))


@queue.job
def item(number: int) -> None: ...


@queue.job
def last() -> None:
    """Use once more what the others were interrupted in."""
    _items.put(1)
    _items.get()
    _log.warning("done")
    note("last", _client().delete("numbers"))
