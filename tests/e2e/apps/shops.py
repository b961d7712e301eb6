"""Jobs in several channels, with one limit each that differs."""

from __future__ import annotations

import os

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue(
    channels={
        "default": {"retry_seconds": 0.02},
        "bulk": {"channel": "bulk-prefix", "processes": 2, "max_attempts": 2, "retry_seconds": 0.05},
        "slow": {"max_attempts": 1, "handle_timeout": 0.2},
    }
)


@queue.job
def work(kind: str) -> None:
    reported = taskq.current()
    note(kind, [reported.channel, reported.attempt, reported.max_attempts])
    if kind == "bad":
        raise ValueError(kind)


@queue.job(channel="bulk")
def bulk() -> None:
    note("bulk", [taskq.current().channel, os.getpid()])


@queue.job(channel="only-here")
def elsewhere() -> None:
    note("elsewhere", taskq.current().channel)
