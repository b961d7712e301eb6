"""Dramatiq, with its defaults: its Redis broker, JSON, the usual middleware; results and coroutines need more middleware."""

from __future__ import annotations

import os

import dramatiq
import marks
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

KIND = os.environ.get("BENCH_KIND")
broker = RedisBroker(url=os.environ["BENCH_URL"])
if KIND == "result":
    broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_URL"])))
if KIND == "async":
    broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)


@dramatiq.actor
def job(number: int) -> None:
    marks.run(number)


@dramatiq.actor
def note(number: int) -> None:
    marks.started(number)


@dramatiq.actor(max_retries=0)
def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


if KIND == "result":

    @dramatiq.actor(store_results=True)
    def give(number: int) -> int:
        marks.run(number)
        return number

    push_result = give.send

if KIND == "async":

    @dramatiq.actor
    async def ajob(number: int) -> None:
        marks.run(number)

    push_async = ajob.send

push = job.send
push_note = note.send
push_failing = fail.send


def push_delayed(number: int, seconds: float) -> None:
    job.send_with_options(args=(number,), delay=round(seconds * 1000))
