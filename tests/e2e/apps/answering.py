"""Jobs whose results are kept."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import taskq
from taskq import Drop, Outcome, Queue
from tests.support.ledger import LEDGER, Ledger, note

queue = Queue()


@queue.job(result_ttl=60)
def add(a: int, b: int) -> int:
    return a + b


@queue.job(result_ttl=60)
async def aadd(a: int, b: int) -> int:
    return a + b


@queue.job(result_ttl=60, serializer="json")
def table(size: int) -> dict[str, Any]:
    return {"numbers": list(range(size)), "name": "x"}


@queue.job
def keeps_none() -> int:
    return 1


@queue.job(result_ttl=60, max_attempts=1)
def fails(text: str) -> None:
    raise ValueError(text)


@queue.job(result_ttl=60, retry_seconds=0.02)
def at_last() -> int:
    attempt = taskq.current().attempt
    note("at_last", attempt)
    if attempt < 3:
        raise ValueError("not yet")
    return attempt


@queue.job(result_ttl=60)
def dies_once() -> str:
    note("dies_once", os.getpid())
    if len(Ledger(Path(os.environ[LEDGER])).values("dies_once")) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@queue.job(result_ttl=60, on_lost="timeout")
def dies_for_good() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@queue.job(result_ttl=60)
def unstorable() -> Any:
    note("unstorable", taskq.current().attempt)
    return threading.Lock()


@queue.job(result_ttl=60)
def chooses(what: str) -> Any:
    if what == "drop":
        raise Drop("not wanted")
    return Outcome(what)


@queue.job(result_ttl=60)
def slow(seconds: float) -> str:
    note("slow", taskq.current().id)
    time.sleep(seconds)
    return "slept"


@queue.job(result_ttl=60)
def waits(gate: str) -> str:
    note("waits", taskq.current().id)
    while not Path(gate).exists():
        time.sleep(0.01)
    return "waited"


class Report:
    """An object with handle() whose result is kept."""

    result_ttl = 60

    def __init__(self, month: int) -> None:
        self.month = month

    def handle(self) -> int:
        return self.month * 2


@queue.job(result_ttl=60)
def steps(count: int, gate: str) -> int:
    for number in range(count):
        taskq.progress(number + 1, count, f"step {number + 1}")
    note("told", count)
    while not Path(gate).exists():
        time.sleep(0.01)
    return count


@queue.job(result_ttl=60)
async def asteps(count: int) -> int:
    for number in range(count):
        taskq.progress(number + 1, count)
        await asyncio.sleep(0)
    return count


@queue.job(result_ttl=60, max_attempts=1)
def bad_progress() -> None:
    taskq.progress(float("nan"))
