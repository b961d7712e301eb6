"""Huey, with its defaults: RedisHuey, with results only where they are measured."""

from __future__ import annotations

import os

import marks
from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_URL"], results=os.environ.get("BENCH_KIND") == "result")


@huey.task()
def job(number: int) -> None:
    marks.run(number)


@huey.task()
def note(number: int) -> None:
    marks.started(number)


@huey.task()
def give(number: int) -> int:
    marks.run(number)
    return number


@huey.task()
def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


push = job
push_note = note
push_result = give
push_failing = fail


def push_delayed(number: int, seconds: float) -> None:
    job.schedule((number,), delay=seconds)
