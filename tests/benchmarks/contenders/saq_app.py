"""SAQ, with its defaults, and told to keep nothing of a job that has ended."""

from __future__ import annotations

import os
import time
from typing import Any

import marks
from saq import Queue

queue = Queue.from_url(os.environ["BENCH_URL"])


async def job(_: dict[str, Any], *, number: int) -> None:
    marks.run(number)


async def note(_: dict[str, Any], *, number: int) -> None:
    marks.started(number)


async def give(_: dict[str, Any], *, number: int) -> int:
    marks.run(number)
    return number


async def fail(_: dict[str, Any], *, number: int) -> None:
    marks.run(number)
    raise ValueError(number)


settings = {"queue": queue, "functions": [job, note, give, fail]}


async def opened() -> None:
    await queue.connect()


async def push(number: int) -> None:
    await queue.enqueue("job", number=number, ttl=-1)


async def push_note(number: int) -> None:
    await queue.enqueue("note", number=number, ttl=-1)


async def push_result(number: int) -> None:
    await queue.enqueue("give", number=number)


async def push_failing(number: int) -> None:
    await queue.enqueue("fail", number=number, ttl=-1)


async def push_delayed(number: int, seconds: float) -> None:
    await queue.enqueue("job", number=number, ttl=-1, scheduled=time.time() + seconds)
