"""Generator jobs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from pathlib import Path

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue()


@queue.job(result_ttl=60)
def count(until: int, pause: float = 0) -> Generator[int, None, str]:
    for number in range(until):
        note("yielded", number)
        yield number
        time.sleep(pause)
    return f"{until} parts"


@queue.job(result_ttl=60)
async def acount(until: int, pause: float = 0) -> AsyncGenerator[int, None]:
    for number in range(until):
        yield number
        await asyncio.sleep(pause)


@queue.job(result_ttl=60)
def waits_after_three(until: int, gate: str) -> Iterator[int]:
    yield from range(3)
    while not Path(gate).exists():
        time.sleep(0.01)
    yield from range(3, until)


@queue.job(result_ttl=60)
async def awaits_after_three(until: int, gate: str) -> AsyncIterator[int]:
    for number in range(until):
        while number == 3 and not Path(gate).exists():
            await asyncio.sleep(0.01)
        yield number


@queue.job(result_ttl=60, serializer="json", max_attempts=1)
def words(text: str) -> Iterator[dict[str, str]]:
    for word in text.split():
        yield {"word": word}


@queue.job(result_ttl=60, retry_seconds=0.05, max_attempts=2)
def fails_after(parts: int, always: bool = False) -> Iterator[str]:
    attempt = taskq.current().attempt
    for number in range(parts):
        yield f"{attempt}.{number}"
    if always or attempt == 1:
        raise ValueError(f"in attempt {attempt}")


@queue.job(result_ttl=60, retry_seconds=0.05)
def dies_after(parts: int, gate: str) -> Iterator[str]:
    first = not Path(gate).exists()
    for number in range(parts):
        yield f"{'first' if first else 'second'} {number}"
    if first:
        while not Path(gate).exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)


@queue.job(result_ttl=60, handle_timeout=0.3, max_attempts=1)
def endless(pause: float) -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
        time.sleep(pause)


@queue.job(result_ttl=60, handle_timeout=0.3, max_attempts=1)
async def aendless() -> AsyncIterator[int]:
    while True:
        yield 1
        await asyncio.sleep(0.05)


@queue.job(result_ttl=60)
def floods(count: int) -> Iterator[int]:
    for number in range(count):
        if number % 100 == 0:
            note("flooded", number)
        yield number


@queue.job(result_ttl=0.5, max_attempts=3)
def unread(count: int) -> Iterator[int]:
    note("unread", taskq.current().attempt)
    yield from range(count)


@queue.job(result_ttl=60, max_attempts=1)
def yields_a_lock() -> Iterator[object]:
    import threading

    yield 1
    yield threading.Lock()


@queue.job(result_ttl=60)
def plain() -> int:
    return 1
