"""taskiq with taskiq-redis: the stream broker, which acknowledges, as its README shows it, or (BENCH_BROKER=list) the list broker."""

from __future__ import annotations

import os

import marks
from taskiq_redis import ListQueueBroker, RedisStreamBroker

make = ListQueueBroker if os.environ.get("BENCH_BROKER") == "list" else RedisStreamBroker
broker = make(url=os.environ["BENCH_URL"])


@broker.task
async def job(number: int) -> None:
    marks.run(number)


@broker.task
async def note(number: int) -> None:
    marks.started(number)


push = job.kiq
push_note = note.kiq


async def opened() -> None:
    await broker.startup()
