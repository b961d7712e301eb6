"""Jobs whose arguments are data: each serializer, and keyword-only arguments."""

from __future__ import annotations

import os
import time
from typing import Any

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue(serializer=os.environ.get("TEST_SERIALIZER"))


@queue.job
def plain(text: str, *, times: int = 1) -> None:
    reported = taskq.current()
    note("plain", [text, times, reported.attempt, reported.max_attempts])
    if text == "fail":
        raise ValueError(text)


@queue.job(result_ttl=60, max_attempts=2, retry_seconds=[0.01])
def endless(text: str) -> None:
    """Report progress, then run until it is cancelled, or fail."""
    taskq.progress(1, 4, "began")
    note("endless", text)
    if text == "fail":
        raise ValueError(text)
    while True:
        time.sleep(0.01)


@queue.job(serializer="json")
def data(value: Any) -> None:
    note("data", value)


@queue.job(serializer="msgpack")
def packed(value: Any) -> None:
    note("packed", value)
