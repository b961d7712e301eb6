"""Jobs whose arguments are data: each serializer, and keyword-only arguments."""

from __future__ import annotations

import os
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


@queue.job(serializer="json")
def data(value: Any) -> None:
    note("data", value)


@queue.job(serializer="msgpack")
def packed(value: Any) -> None:
    note("packed", value)
