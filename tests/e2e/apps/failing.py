"""Jobs that fail, and say nothing."""

from __future__ import annotations

from taskq import Queue
from tests.support.ledger import note

queue = Queue()


@queue.job
def always() -> None:
    raise ValueError("no")


@queue.job
def good() -> None:
    note("good")
