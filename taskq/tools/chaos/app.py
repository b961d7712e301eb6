"""The queue of the chaos and its jobs. Each run writes its start and its end into the ledger."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from taskq.context import current
from taskq.jobs.job import Job
from taskq.queue import Queue
from taskq.tools.chaos.ledger import note

__all__ = ["CHANNEL", "LEASE", "STOP_TIMEOUT", "App", "Broken", "anon", "answer", "make_app", "parts", "task"]

CHANNEL = "chaos"
#: Short, so that what a dead supervisor had reserved comes back soon.
LEASE = 2.0
STOP_TIMEOUT = 3.0
#: Longer than any run waits for its answers, though the server's clock is set forward by an hour.
RESULT_TTL = 7200


class Broken(Exception):
    """Raised by a job that should be retried."""


@contextmanager
def _written(ledger: str, number: int, failures: int) -> Iterator[None]:
    context, pid = current(), os.getpid()
    note(ledger, "start", number, context.id, context.attempt, pid)
    yield
    fails = context.attempt <= failures
    note(ledger, "end", number, context.attempt, pid, "raised" if fails else "done")
    if fails:
        raise Broken(f"attempt {context.attempt} of {failures + 1}")


def task(ledger: str, number: int, seconds: float = 0, failures: int = 0, payload: bytes | str = b"") -> None:
    """Take some time; fail in the first `failures` attempts."""
    with _written(ledger, number, failures):
        if seconds:
            time.sleep(seconds)


async def anon(ledger: str, number: int, seconds: float = 0, failures: int = 0, payload: bytes | str = b"") -> None:
    """The same as a coroutine."""
    with _written(ledger, number, failures):
        await asyncio.sleep(seconds)


def answer(ledger: str, number: int, seconds: float = 0, failures: int = 0) -> int:
    """As `task`, with a result that a caller waits for."""
    with _written(ledger, number, failures):
        time.sleep(seconds)
    return number


def parts(ledger: str, number: int, seconds: float = 0, failures: int = 0) -> Iterator[int]:
    """As `task`, with items that a caller reads."""
    with _written(ledger, number, failures):
        for part in range(8):
            yield part
            time.sleep(seconds / 8)


class App(NamedTuple):
    """A queue with its jobs."""

    queue: Queue
    task: Job[..., Any]
    anon: Job[..., Any]
    answer: Job[..., Any]
    parts: Job[..., Any]


def make_app(url: str, directory: Path, *, prefix: str, concurrency: int = 1) -> App:
    """Make the queue. Its settings are arguments, so that the user's own settings change nothing."""
    channel = {
        "channel": prefix,
        "driver": "redis",
        "lease": LEASE,
        "stop_timeout": STOP_TIMEOUT,
        "max_attempts": 10,
        "retry_seconds": [0.02, 0.3],
        "handle_timeout": 0,
        "max_messages": 0,
        "concurrency": concurrency,
        "max_memory": "0",
        "on_lost": "retry",
        # A job is killed here as often as chance wants: none of it is its own fault.
        "max_crashes": 250,
        "failed_limit": 100_000,
    }
    # An empty file here ends the search for settings, which goes upwards.
    (directory / "taskq.toml").touch()
    queue = Queue(url, channels={CHANNEL: channel}, serializer="pickle", directory=directory)
    plain, kept = queue.job(channel=CHANNEL), queue.job(channel=CHANNEL, result_ttl=RESULT_TTL)
    return App(queue, plain(task), plain(anon), kept(answer), kept(parts))
