"""Jobs that are settled in every way after their first run, and run again until a test's file is there."""

from __future__ import annotations

import os
import time

from taskq import Outcome, Queue, Requeue
from tests.support.ledger import note

queue = Queue()


def _again(path: str, name: str) -> bool:
    """Note a run. False: it is the first. Otherwise return True once the file is there."""
    first = f"{path}.{name}"
    if not os.path.exists(first):
        with open(first, "w", encoding="ascii"):
            note("first", name)
        return False
    note("again", name)
    while not os.path.exists(path):
        time.sleep(0.005)
    note("end", name)
    return True


@queue.job(retry_seconds=0)
def retry(path: str) -> None:
    if not _again(path, "retry"):
        raise ValueError("the first run fails")


@queue.job
def requeue(path: str) -> object:
    return None if _again(path, "requeue") else Outcome.REQUEUE


@queue.job
def later(path: str) -> None:
    if not _again(path, "later"):
        raise Requeue(0.05)


@queue.job(max_attempts=1)
def fail(path: str) -> None:
    if not _again(path, "fail"):
        raise ValueError("the first run fails")


@queue.job
def quick(number: int = 0) -> None:
    note("quick", number)


@queue.job
def hold(path: str, name: str = "hold") -> None:
    """Run until the file is there."""
    note("start", name)
    while not os.path.exists(path):
        time.sleep(0.005)
    note("end", name)
