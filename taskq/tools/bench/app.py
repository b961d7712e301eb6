"""The queue that is measured, and its two jobs."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from taskq.clock import monotonic
from taskq.config import Settings
from taskq.jobs.job import Job
from taskq.queue import Queue

__all__ = ["CHANNEL", "LATE", "App", "make_app", "nothing", "report_start"]

CHANNEL = "bench"
#: The report of a job: its lateness in seconds.
LATE = struct.Struct("<d")


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


class App(NamedTuple):
    """The queue with its jobs."""

    queue: Queue
    nothing: Job[[str], None]
    report_start: Job[[str, float, str], None]


def make_app(settings: Settings, url: str, scratch: Path, *, prefix: str) -> App:
    """Return the queue: the user's server and push options, with a separate channel."""
    channel = {"channel": prefix, "driver": "redis", "stop_timeout": 3, "handle_timeout": 0, "max_messages": 0, "max_memory": "0"}
    channel |= {"max_attempts": 1}  # a failed run is not measured
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
    return App(queue, queue.job(channel=CHANNEL)(nothing), queue.job(channel=CHANNEL)(report_start))
