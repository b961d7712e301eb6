"""Jobs that a test cancels as soon as they have written a note, so each writes it where it expects the cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue()


@queue.job(result_ttl=60)
def busy(seconds: float) -> str:
    try:
        note("busy", taskq.current().id)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
    except taskq.JobCancelled as error:
        note("cleaned", str(error))
        raise
    return "done"


@queue.job
async def sleeps(seconds: float) -> str:
    note("sleeps", taskq.current().id)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("acleaned", taskq.current().id)
        raise
    return "done"


@queue.job(result_ttl=60)
def swallows_one() -> str:
    """Returns when something is raised in it."""
    try:
        note("swallows")
        time.sleep(60)
    except BaseException:
        return "done all the same"
    return "was not cancelled"


@queue.job(result_ttl=60, retry_seconds=0.01)
def refuses(seconds: float) -> str:
    """Goes on whatever is raised in it."""
    end = time.monotonic() + seconds
    is_noted = False
    while True:
        try:
            if not is_noted:
                is_noted = True
                note("refuses", taskq.current().attempt)
            while time.monotonic() < end:
                time.sleep(0.05)
            return "done all the same"
        except BaseException:
            note("swallowed")


@queue.job(retry_seconds=0.01)
def turns_it_into_an_error(seconds: float) -> None:
    try:
        note("turns", taskq.current().attempt)
        time.sleep(seconds)
    except BaseException:
        raise ValueError("something else") from None


@queue.job
def quick(number: int = 0) -> None:
    note("quick", number)


@queue.job
def waits_for(gate: str) -> None:
    note("waits", taskq.current().id)
    while not Path(gate).exists():
        time.sleep(0.01)


@queue.job(retry_seconds=60, max_attempts=5)
def fails() -> None:
    note("fails", taskq.current().attempt)
    raise ValueError("no")


@queue.job(result_ttl=60)
def yields(count: int) -> Iterator[int]:
    for number in range(count):
        yield number
        time.sleep(0.02)
