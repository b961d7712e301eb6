"""Jobs that fail in every way while they hold a large object, in a process without garbage collector."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from taskq import Queue, events
from taskq.errors import JobCancelled, Requeue, Retry
from tests.support.ledger import LEDGER, note

queue = Queue()
queue.on_start(gc.disable)
#: How many large objects each kind of job has left.
alive: dict[str, int] = {}
variable: ContextVar[Any] = ContextVar("variable")


class Blob:
    """A large object. It arrives as an argument, or a job creates it."""

    def __init__(self, name: str) -> None:
        self.name = name
        alive[name] = alive.get(name, 0) + 1

    def __reduce__(self) -> Any:
        return Blob, (self.name,)

    def __del__(self) -> None:
        alive[self.name] -= 1


if LEDGER in os.environ:  # only in workers, not in the test that imports this
    events.failed.connect(lambda event: repr(event.error))
options: Any = {"max_attempts": 1, "on_fail": repr, "result_ttl": 60}


def _raise(how: str, blob: Blob) -> None:
    variable.set(blob)
    error = ValueError("x")
    if how == "itself":
        error.me = error  # type: ignore[attr-defined]
        raise error
    if how == "from":
        try:
            raise KeyError("first")
        except KeyError as first:
            raise error from first
    if how == "local":
        kept = error
        raise kept
    if how == "retry":
        raise Retry(delay=3600)
    if how == "requeue":
        raise Requeue(delay=3600)
    if how == "cancelled":
        raise JobCancelled
    raise error


@queue.job(**options)
def fail(how: str, argument: Blob) -> None:
    _raise(how, Blob(f"{how} sync"))


@queue.job(**options)
async def afail(how: str, argument: Blob) -> None:
    await asyncio.sleep(0)
    _raise(how, Blob(f"{how} async"))


@queue.job(**options)
async def group(argument: Blob) -> None:
    blob = Blob("group")

    async def part() -> None:
        _raise("local", blob)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(part())
        tasks.create_task(asyncio.sleep(60))


@queue.job(handle_timeout=0.05, **options)
def late(argument: Blob) -> None:
    blob = Blob("late")
    while blob:
        time.sleep(0.001)


@queue.job(handle_timeout=0.05, **options)
async def alate(argument: Blob) -> None:
    blob = Blob("late async")
    while blob:
        await asyncio.sleep(1)


@queue.job(**options)
def items(argument: Blob) -> Iterator[int]:
    blob = Blob("items")
    yield 1
    _raise("local", blob)


@queue.job
def succeed(argument: Blob) -> None:
    variable.set(Blob("succeeded"))


@queue.job
async def asucceed(argument: Blob) -> None:
    variable.set(Blob("succeeded async"))


@queue.job
def look() -> None:
    note("alive", {name: count for name, count in alive.items() if count})
