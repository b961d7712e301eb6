"""Jobs that fail, or say what happens to them."""

from __future__ import annotations

import os
from pathlib import Path

import taskq
from taskq import Backoff, Drop, Outcome, Queue, Requeue, Retry
from tests.support.ledger import LEDGER, Ledger, note

queue = Queue()


class Passing(Exception):
    """Worth another try."""


class Final(Exception):
    """Not worth one."""


def record(error: BaseException) -> None:
    note("on_fail", [taskq.current().id, type(error).__name__, str(error)])


@queue.job(on_fail=record)
def fail(text: str = "no", succeed_at: int = 0) -> None:
    attempt = taskq.current().attempt
    note("fail", attempt)
    if attempt != succeed_at:
        raise ValueError(text)


@queue.job(on_fail=record)
async def afail() -> None:
    note("afail", taskq.current().attempt)
    raise Passing("async")


@queue.job(retry_seconds=[0.05, 0.2, 0.1], max_attempts=5)
def listed() -> None:
    note("listed", taskq.current().attempt)
    raise Passing


@queue.job(backoff=Backoff(base=0.05, factor=2, jitter=False), max_attempts=4)
def doubling() -> None:
    note("doubling", taskq.current().attempt)
    raise Passing


@queue.job(retry_on=Passing, on_fail=record)
def choosy(kind: str) -> None:
    note("choosy", taskq.current().attempt)
    raise {"passing": Passing, "final": Final}[kind](kind)


@queue.job(give_up_on=(Final,), on_fail=record)
def proud(kind: str) -> None:
    note("proud", taskq.current().attempt)
    raise {"passing": Passing, "final": Final}[kind](kind)


@queue.job(on_fail=record)
def returns(outcome: str) -> Outcome:
    note("returns", taskq.current().attempt)
    return Outcome(outcome)


@queue.job
def requeued_until(runs: int, wait: float = 0) -> Outcome | None:
    """Ask to run again, uncounted, until it has run so often."""
    note("requeued_until", taskq.current().attempt)
    if len(_ledger().lines("requeued_until")) < runs:
        if wait:
            raise Requeue("not yet", delay=wait)
        return Outcome.REQUEUE
    return None


@queue.job(on_fail=record)
def retries(wait: float | None) -> None:
    note("retries", taskq.current().attempt)
    raise Retry("the other side is busy", delay=wait)


@queue.job(on_fail=record)
async def drops() -> None:
    note("drops", taskq.current().attempt)
    raise Drop("too late")


class Delivery:
    """An object that fails, and is told so."""

    max_attempts = 2

    def __init__(self, city: str) -> None:
        self.city = city

    def handle(self) -> None:
        note("deliver", taskq.current().attempt)
        raise ConnectionError(f"no road to {self.city}")

    def fail(self, error: BaseException) -> None:
        note("delivery failed", [self.city, str(error)])


def _raise(error: BaseException) -> None:
    note("bad on_fail", str(error))
    raise RuntimeError("on_fail is broken too")


@queue.job(max_attempts=1, on_fail=_raise)
def broken_twice() -> None:
    raise ValueError("once")


def _ledger() -> Ledger:
    return Ledger(Path(os.environ[LEDGER]))
