"""Every kind of thing that can be pushed."""

from __future__ import annotations

import asyncio
from typing import Any

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue(channels={"reports": {}})


@queue.job
def add(a: int, b: int = 2) -> int:
    note("add", a + b)
    return a + b


@queue.job
async def fetch(name: str) -> str:
    await asyncio.sleep(0.001)
    note("fetch", [name, taskq.current().job])
    return name


@queue.job
def chain(number: int) -> None:
    """Pushes another job, and tells how many connections that has left in the pool beside the worker's own."""
    add.push(number)
    note("chain", len(queue.sender("default")._links.idle))


class Account:
    """Holds jobs of every kind of method."""

    bonus = 1

    def __init__(self, owner: str) -> None:
        self.owner = owner

    @queue.job
    def greet(self, word: str) -> None:
        note("greet", f"{word} {self.owner}")

    @queue.job
    async def agreet(self, word: str) -> None:
        await asyncio.sleep(0)
        note("agreet", f"{word} {self.owner}")

    @queue.job
    @staticmethod
    def total(*amounts: int) -> None:
        note("total", sum(amounts))

    @queue.job
    @classmethod
    def raise_bonus(cls, by: int, *, factor: int = 1) -> None:
        note("raise_bonus", [cls.__name__, cls.bonus + by * factor])


class Report:
    """An object that handles itself."""

    def __init__(self, month: int) -> None:
        self.month = month

    def handle(self) -> None:
        note("report", [self.month, taskq.current().job])


class AsyncReport(Report):
    """The same in async code, into a channel of its own with one attempt."""

    max_attempts = 1
    channel = "reports"

    async def handle(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        note("async report", [self.month, taskq.current().channel, taskq.current().max_attempts])


@queue.job(name="mail.send", channel="mail")
def send(to: str, **more: Any) -> None:
    note("send", [to, more, taskq.current().channel])


@queue.job
def context() -> None:
    reported = taskq.current()
    note("context", [reported.id, reported.job, reported.channel, reported.attempt, reported.max_attempts, reported.pushed_at_ms])
