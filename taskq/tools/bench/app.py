"""The queue that is measured, and its jobs."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from taskq.clock import monotonic
from taskq.config import Settings
from taskq.jobs.job import Job
from taskq.queue import Queue

__all__ = ["CHANNEL", "ITEMS", "LATE", "App", "agive", "anothing", "fail", "give", "items", "make_app", "nothing", "report_start"]

CHANNEL = "bench"
#: How many items a job of the case `stream` yields.
ITEMS = 20
#: The report of a job: its lateness in seconds.
LATE = struct.Struct("<d")
#: Seconds for which results and stream items are stored; each benchmark removes its own earlier.
_KEPT = 600


def nothing(payload: str) -> None:
    """Do nothing."""


def report_start(pipe: str, due: float, payload: str) -> None:
    """Report how long after `due`, a moment of this machine's monotonic clock, the job was started."""
    late = monotonic() - due
    with suppress(OSError):  # the pipe has no reader: the bench was stopped
        end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(end, LATE.pack(late))
        finally:
            os.close(end)


async def anothing(payload: str) -> None:
    """Do nothing, as a coroutine."""


def give(payload: str) -> str:
    """Return the argument, which is stored as the result."""
    return payload


async def agive(payload: str) -> str:
    """Return the argument, as a coroutine."""
    return payload


def fail(payload: str) -> None:
    """Fail."""
    raise ValueError(payload)


def items(payload: str) -> Iterator[str]:
    """Yield the argument `ITEMS` times."""
    for _ in range(ITEMS):
        yield payload


class App(NamedTuple):
    """The queue with its jobs."""

    queue: Queue
    nothing: Job[[str], None]
    report_start: Job[[str, float, str], None]
    anothing: Job[[str], Any]
    give: Job[[str], str]
    agive: Job[[str], Any]
    fail: Job[[str], None]
    items: Job[[str], Any]


def make_app(settings: Settings, url: str, scratch: Path, *, prefix: str, concurrency: int = 1) -> App:
    """Return the queue: the user's server and push options, with a separate channel."""
    channel = {"channel": prefix, "driver": "redis", "stop_timeout": 3, "handle_timeout": 0, "max_messages": 0, "max_memory": "0"}
    channel |= {"max_attempts": 1, "concurrency": concurrency}  # a retried run would be measured twice
    # An empty file here ends the search for settings, which goes upwards.
    (scratch / "taskq.toml").touch()
    secret = ",".join(settings.secrets) or None
    queue = Queue(
        url,
        channels={CHANNEL: channel},
        secret=secret,
        serializer=settings.serializer,
        wait_replicas=settings.wait_replicas,
        directory=scratch,
    )
    plain, kept = queue.job(channel=CHANNEL), queue.job(channel=CHANNEL, result_ttl=_KEPT)
    return App(queue, plain(nothing), plain(report_start), plain(anothing), kept(give), kept(agive), plain(fail), kept(items))
