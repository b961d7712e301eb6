"""An app that listens to every event, and has listeners that raise."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import taskq
from taskq import Outcome, Queue, events
from taskq.events import JobEvent, QueueLength
from tests.support.ledger import LEDGER, note

queue = Queue()


@queue.job
def fine() -> int:
    note("run", os.getpid())
    return 1


@queue.job(max_attempts=2, retry_seconds=0.02)
def failing() -> None:
    raise ValueError("no")


@queue.job(max_attempts=1, handle_timeout=0.05)
def late() -> None:
    for _ in range(6_000):  # in a thread, one long sleep can't be interrupted
        time.sleep(0.005)


@queue.job(max_attempts=2, retry_seconds=0.02, handle_timeout=0.05)
async def alate() -> None:
    await asyncio.sleep(30)


@queue.job
def chosen(outcome: str) -> Outcome:
    return Outcome(outcome)


@queue.job
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _reported(event: JobEvent) -> list[Any]:
    assert event.worker.count(":") == 3
    error = type(event.error).__name__ if event.error else None
    return [event.context.job.partition(":")[2], event.context.attempt, error, event.delay, event.seconds > 0]


def on_before(event: JobEvent) -> None:
    note("before", _reported(event))
    assert taskq.current() == event.context


def on_length(event: QueueLength) -> None:
    note("queue_length", [event.channel, {state.value: count for state, count in event.counts.items()}])


def listen() -> None:
    """Connect all listeners. Only in workers: the test that imports this module has listeners of its own."""
    events.before.connect(on_before)
    if seconds := float(os.environ.get("TEST_SLOW_LISTENER", "0")):
        events.timeout.connect(lambda event: time.sleep(seconds))
    for name in ("after", "dropped", "retry", "failed", "timeout"):
        getattr(events, name).connect(lambda event, name=name: note(name, _reported(event)))
    events.queue_length.connect(on_length)
    events.crashed.connect(lambda one: note("crashed", [one.id, one.job, one.channel, one.attempt, one.seconds > 0, one.reason]))
    for name in ("worker_start", "worker_stop", "child_start", "child_stop"):
        getattr(events, name).connect(lambda event, name=name: note(name, [event.pid, list(event.channels), os.getpid()]))


def break_listeners(kind: type[BaseException]) -> None:
    """Connect one that raises to every event."""

    def broken(event: object) -> None:
        note("broken", type(event).__name__)
        raise kind("a broken listener")

    for name in ("before", "after", "retry", "failed", "timeout", "worker_start", "queue_length", "child_start", "child_stop"):
        getattr(events, name).connect(broken)


if LEDGER in os.environ:
    listen()
    if os.environ.get("TEST_LISTENERS_RAISE"):
        break_listeners({"error": ValueError, "exit": SystemExit, "interrupt": KeyboardInterrupt}[os.environ["TEST_LISTENERS_RAISE"]])
