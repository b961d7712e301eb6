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


settings = {"queue": queue, "functions": [job, note]}


async def opened() -> None:
    await queue.connect()


async def push(number: int) -> None:
    await queue.enqueue("job", number=number, ttl=-1)


async def push_note(number: int) -> None:
    await queue.enqueue("note", number=number, ttl=-1)


async def push_later(number: int, seconds: float) -> None:
    await queue.enqueue("note", number=number, ttl=-1, scheduled=time.time() + seconds)
