"""An app that listens to every event, and has listeners that raise."""

from __future__ import annotations

import os
import time
from typing import Any

import taskq
from taskq import Outcome, Queue, events
from taskq.events import JobEvent, ProcessEvent, QueueLength
from tests.support.ledger import note

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
    time.sleep(30)


@queue.job
def chosen(outcome: str) -> Outcome:
    return Outcome(outcome)


def _told(event: JobEvent) -> list[Any]:
    assert event.worker.count(":") == 3
    error = type(event.error).__name__ if event.error else None
    return [event.context.job.partition(":")[2], event.context.attempt, error, event.delay, event.seconds > 0]


@events.before.connect
def on_before(event: JobEvent) -> None:
    note("before", _told(event))
    assert taskq.current() == event.context


for _name in ("after", "retry", "failed", "timeout"):
    getattr(events, _name).connect(lambda event, name=_name: note(name, _told(event)))


@events.queue_length.connect
def on_length(event: QueueLength) -> None:
    note("queue_length", [event.channel, {state.value: count for state, count in event.counts.items()}])


for _name in ("worker_start", "worker_stop", "child_start", "child_stop"):

    @getattr(events, _name).connect
    def on_process(event: ProcessEvent, name: str = _name) -> None:
        note(name, [event.pid, list(event.channels), os.getpid()])


if os.environ.get("TEST_LISTENERS_RAISE"):
    _kind = {"error": ValueError, "exit": SystemExit, "interrupt": KeyboardInterrupt}[os.environ["TEST_LISTENERS_RAISE"]]

    def broken(event: object) -> None:
        note("broken", type(event).__name__)
        raise _kind("a broken listener")

    for _name in ("before", "after", "retry", "failed", "timeout", "worker_start", "queue_length", "child_start", "child_stop"):
        getattr(events, _name).connect(broken)
