"""Huey, with its defaults: RedisHuey; a task that returns None leaves no result."""

from __future__ import annotations

import os

import marks
from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_URL"])


@huey.task()
def job(number: int) -> None:
    marks.run(number)


@huey.task()
def note(number: int) -> None:
    marks.started(number)


push = job
push_note = note


def push_later(number: int, seconds: float) -> None:
    note.schedule((number,), delay=seconds)
