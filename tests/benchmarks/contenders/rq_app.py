"""RQ, with its defaults, and told to keep no results."""

from __future__ import annotations

import os
from datetime import timedelta

import marks
import redis
from rq import Queue

queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_URL"]))


def job(number: int) -> None:
    marks.run(number)


def note(number: int) -> None:
    marks.started(number)


def push(number: int) -> None:
    queue.enqueue(job, number, result_ttl=0)


def push_note(number: int) -> None:
    queue.enqueue(note, number, result_ttl=0)


def push_later(number: int, seconds: float) -> None:
    queue.enqueue_in(timedelta(seconds=seconds), note, number, result_ttl=0)
