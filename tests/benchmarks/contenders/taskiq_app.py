"""taskiq with taskiq-redis: the stream broker, which acknowledges, as its README shows it, or (BENCH_BROKER=list) the list broker."""

from __future__ import annotations

import os

import marks
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

make = ListQueueBroker if os.environ.get("BENCH_BROKER") == "list" else RedisStreamBroker
broker = make(url=os.environ["BENCH_URL"])
if os.environ.get("BENCH_KIND") == "result":
    broker = broker.with_result_backend(RedisAsyncResultBackend(os.environ["BENCH_URL"], result_ex_time=600))


@broker.task
async def job(number: int) -> None:
    marks.run(number)


@broker.task
async def note(number: int) -> None:
    marks.started(number)


@broker.task
async def give(number: int) -> int:
    marks.run(number)
    return number


@broker.task
async def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


push = job.kiq
push_note = note.kiq
push_result = give.kiq
push_failing = fail.kiq


async def opened() -> None:
    await broker.startup()
