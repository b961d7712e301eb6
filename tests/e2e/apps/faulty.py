"""Jobs that end in every way there is, and tell each of their runs."""

from __future__ import annotations

import os
import signal
import time

import taskq
from taskq import Queue, Requeue
from tests.support.ledger import note

queue = Queue()


def _begin(name: str) -> int:
    """Tell a run; return how many there were."""
    note("run", name)
    with open(os.environ["TEST_LEDGER"], encoding="utf-8") as file:
        return sum(line.startswith(f'["run", "{name}"') for line in file)


@queue.job
def quick(name: str) -> None:
    note("run", name)


@queue.job
def hold(path: str, name: str = "hold") -> None:
    """Run until the test says so."""
    _begin(name)
    while not os.path.exists(path):
        time.sleep(0.005)
    note("held", name)


@queue.job(max_attempts=2, retry_seconds=0.05)
def hold_and_fail(path: str, name: str) -> None:
    """The same, and fail the first time."""
    _begin(name)
    while not os.path.exists(path):
        time.sleep(0.005)
    if taskq.current().attempt == 1:
        raise ValueError(name)
    note("held", name)


@queue.job(max_attempts=1)
def fail(name: str) -> None:
    _begin(name)
    raise ValueError(name)


@queue.job(retry_seconds=0.05)
def retry_once(name: str) -> None:
    if _begin(name) == 1:
        raise ValueError(name)


@queue.job
def requeue_once(name: str) -> None:
    if _begin(name) == 1:
        raise Requeue


@queue.job
def crash_once(name: str) -> None:
    if _begin(name) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@queue.job
def nap(seconds: float, name: str) -> None:
    _begin(name)
    time.sleep(seconds)
    note("napped", name)
