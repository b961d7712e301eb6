"""The demo's queue and its two jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from taskq.jobs.job import Job
from taskq.queue import Queue
from taskq.tools.demo.counting import count
from taskq.tools.demo.results import Reader, Tally, append

__all__ = ["CHANNEL", "RETRY_SECONDS", "App", "count_file", "make_app", "write_report"]

CHANNEL = "files"
#: Between the three runs of the report.
RETRY_SECONDS = (0.3, 0.6)


def count_file(path: str, results: str) -> None:
    """Count one file. What can't be read is a result too: trying again wouldn't help."""
    try:
        counted = count(path)
    except OSError as error:
        append(results, path, None, (error.strerror or type(error).__name__).lower())
    else:
        append(results, path, counted)


def write_report(results: str, target: str) -> None:
    """Write the sums of all results. Fails while the folder of `target` is missing: that is the failure of the demo."""
    tally = Tally()
    for result in Reader(Path(results)).new():
        tally.add(result)
    Path(target).write_text(json.dumps(tally.sums()), encoding="ascii")


class App(NamedTuple):
    """The queue with its jobs."""

    queue: Queue
    count_file: Job[[str, str], None]
    write_report: Job[[str, str], None]


def make_app(url: str, scratch: Path, *, prefix: str) -> App:
    """Make the queue. Its settings are arguments, so that the user's own settings change nothing."""
    channel = {"channel": prefix, "driver": "redis", "stop_timeout": 3, "max_messages": 0, "max_memory": "0"}
    # An empty file here ends the search for settings, which goes upwards.
    (scratch / "taskq.toml").touch()
    queue = Queue(url, channels={CHANNEL: channel}, serializer="pickle", directory=scratch)
    return App(
        queue,
        queue.job(channel=CHANNEL, handle_timeout=0)(count_file),
        queue.job(channel=CHANNEL, handle_timeout=0, max_attempts=len(RETRY_SECONDS) + 1, retry_seconds=RETRY_SECONDS)(write_report),
    )
