"""streaQ, with its defaults, but without results (`ttl=0`) and without a log line for each task (`silent`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import marks
from streaq import Worker

worker: Worker[Any] = Worker(redis_url=os.environ["BENCH_URL"])


@worker.task(ttl=0, silent=True)
async def job(number: int) -> None:
    marks.run(number)


@worker.task(ttl=0, silent=True)
async def note(number: int) -> None:
    marks.started(number)


@worker.task(silent=True)
async def give(number: int) -> int:
    marks.run(number)
    return number


@worker.task(ttl=0)
async def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


async def opened() -> None:
    await worker.__aenter__()


async def push(number: int) -> None:
    await job.enqueue(number)


async def push_note(number: int) -> None:
    await note.enqueue(number)


async def push_result(number: int) -> None:
    await give.enqueue(number)


async def push_failing(number: int) -> None:
    await fail.enqueue(number)


async def push_delayed(number: int, seconds: float) -> None:
    await job.enqueue(number).start(delay=round(seconds))


async def push_many(numbers: Iterable[int]) -> None:
    await worker.enqueue_many([job.enqueue(number) for number in numbers])
