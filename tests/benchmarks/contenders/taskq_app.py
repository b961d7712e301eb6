"""taskq, with its defaults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import marks

from taskq import Queue

queue = Queue()


@queue.job
def job(number: int) -> None:
    marks.run(number)


@queue.job
def note(number: int) -> None:
    marks.started(number)


@queue.job
def timed(number: int, seconds: float = 0) -> None:
    """Note start and end, and count the run; sleep in between."""
    marks.started(number)
    if seconds:
        time.sleep(seconds)
    marks.ended(number)
    marks.run(number)


@queue.job
async def atimed(number: int, seconds: float) -> None:
    """The same for a coroutine."""
    marks.started(number)
    await asyncio.sleep(seconds)
    marks.ended(number)
    marks.run(number)


@queue.job
async def ajob(number: int) -> None:
    marks.run(number)


@queue.job(result_ttl=600)
def give(number: int) -> int:
    marks.run(number)
    return number


@queue.job(max_attempts=1)
def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


apush = job.apush
push = job.push
push_note = note.push


def push_many(numbers: Iterable[int]) -> None:
    job.push_many([(number,) for number in numbers])


def push_kind(kind: str, count: int, seconds: float) -> None:
    """Many jobs of a kind, at once: so many one by one would take longer than their run."""
    jobs: dict[str, Any] = {"result": give, "async": ajob, "failing": fail, "delayed": job.options(delay=seconds)}
    jobs[kind].push_many([(number,) for number in range(count)])


def push_range(first: int, last: int, at: float | None = None) -> None:
    """Many no-op jobs, due at a moment when one is given."""
    (job if at is None else job.options(at=at)).push_many([(number,) for number in range(first, last)])


def push_later(number: int, seconds: float) -> None:
    note.push(number, delay=seconds)


def push_timed(count: int, at: float | None = None) -> None:
    (timed if at is None else timed.options(at=at)).push_many([(number,) for number in range(count)])


def push_naps(count: int, seconds: float) -> None:
    timed.push_many([(number, seconds) for number in range(count)])


def push_anaps(count: int, seconds: float) -> None:
    atimed.push_many([(number, seconds) for number in range(count)])


def push_coroutines(count: int) -> None:
    ajob.push_many([(number,) for number in range(count)])


def push_slow_among_fast(fast: int, slow_at: int, seconds: float) -> None:
    """One slow job, with the number 0, among fast ones; `slow_at` -1 leaves it out. All come at once."""
    calls: list[tuple[int, float]] = [(number, 0) for number in range(1, fast + 1)]
    if slow_at >= 0:
        calls.insert(slow_at, (0, seconds))
    timed.push_many(calls)
