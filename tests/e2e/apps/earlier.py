"""An app whose job takes what a pickle names by a module of taskq: another job, and values of taskq."""

from __future__ import annotations

from typing import Any

from taskq import Backoff, Cancelled, Job, Progress, Queue, Status
from tests.support.ledger import note

queue = Queue()


@queue.job
def leaf(number: int) -> None:
    note("leaf", number)


@queue.job
def relay(job: Job[[int], None], number: int, *values: Any) -> None:
    """Push the job that came as an argument."""
    assert [type(value) for value in values] == [Backoff, Cancelled, Progress, Status]
    job.push(number)
