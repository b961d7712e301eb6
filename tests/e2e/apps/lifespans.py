"""What opens and closes around the jobs of a process. The variable HOOKS says what misbehaves."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue()
HOW = os.environ.get("HOOKS", "")


class Pool:
    """Belongs to the loop that opened it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()


@queue.lifespan
async def pool() -> AsyncIterator[dict[str, Pool]]:
    note("open pool")
    async with asyncio.TaskGroup():  # wants to be left by the task that has entered it
        yield {"pool": Pool()}
    note("close pool")


@queue.lifespan
def file() -> Iterator[dict[str, str]]:
    note("open file")
    if HOW == "lifespan":
        raise OSError("no file")
    yield {"file": "a file"}
    if HOW == "close":
        raise OSError("can't close")
    note("close file")


@queue.lifespan
def manager() -> object:
    @asynccontextmanager
    async def manage() -> AsyncIterator[None]:
        note("open manager")
        yield
        note("close manager")

    return manage()


@queue.on_start
async def start() -> None:
    note("start", sorted(taskq.state))
    taskq.state.started = os.getpid()
    if HOW == "start":
        raise ValueError("not today")
    if HOW == "slow start":
        await asyncio.sleep(60)
    if HOW == "slow sync start":
        time.sleep(60)
    if HOW == "exit":
        sys.exit(4)


@queue.on_stop
def stop() -> None:
    note("stop", taskq.state.started == os.getpid())
    if HOW == "stop":
        raise ValueError("no stop")
    if HOW == "slow stop":
        time.sleep(60)


@queue.on_stop
async def astop() -> None:
    note("astop")


@queue.job
def work() -> None:
    note("work", [taskq.state.file, taskq.state["started"] == os.getpid()])


@queue.job
async def awork() -> None:
    note("awork", [taskq.state.pool.loop is asyncio.get_running_loop(), "file" in taskq.state])


@queue.job
def hold(path: str) -> None:
    note("hold")
    while not os.path.exists(path):
        time.sleep(0.005)


@queue.job(max_attempts=1)
def ask(name: str) -> None:
    try:
        getattr(taskq.state, name)
    except AttributeError as error:
        note("ask", str(error))
