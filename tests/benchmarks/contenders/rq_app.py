"""RQ, with its defaults, and told to keep no results."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta

import marks
import redis
from rq import Queue

queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_URL"]))


def job(number: int) -> None:
    marks.run(number)


def note(number: int) -> None:
    marks.started(number)


async def ajob(number: int) -> None:
    marks.run(number)


def give(number: int) -> int:
    marks.run(number)
    return number


def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


def push(number: int) -> None:
    queue.enqueue(job, number, result_ttl=0)


def push_note(number: int) -> None:
    queue.enqueue(note, number, result_ttl=0)


def push_result(number: int) -> None:
    queue.enqueue(give, number)


def push_async(number: int) -> None:
    queue.enqueue(ajob, number, result_ttl=0)


def push_failing(number: int) -> None:
    queue.enqueue(fail, number, result_ttl=0)


def push_delayed(number: int, seconds: float) -> None:
    queue.enqueue_in(timedelta(seconds=seconds), job, number, result_ttl=0)


def push_many(numbers: Iterable[int]) -> None:
    queue.enqueue_many([Queue.prepare_data(job, (number,), result_ttl=0) for number in numbers])
