"""Jobs that set context variables and the decimal context, between lifespans and listeners that do the same."""

from __future__ import annotations

import asyncio
import decimal
import os
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import taskq
from taskq import Queue, events
from tests.support.ledger import LEDGER, note

queue = Queue()
user = ContextVar("user", default="nobody")
shop = ContextVar("shop", default="none")
city = ContextVar("city", default="none")
bound: ContextVar[str | None] = ContextVar("bound", default=None)


@queue.lifespan
async def opened() -> AsyncIterator[None]:
    token = shop.set("berlin")
    yield
    shop.reset(token)
    note("closed", shop.get())


@queue.lifespan
def opened_sync() -> Iterator[None]:
    token = city.set(f"{shop.get()} mitte")
    yield
    city.reset(token)
    note("closed sync", city.get())


@queue.on_start
async def calculate() -> None:
    decimal.getcontext().prec = 20


def bind(event: Any) -> None:
    bound.set(event.context.id)


def ended(event: Any) -> None:
    note("ended", [user.get(), bound.get() == event.context.id])


if LEDGER in os.environ:  # only in workers, not in the test that imports this
    events.before.connect(bind)
    for signal in (events.retry, events.failed, events.after):
        signal.connect(ended)


def _on_fail(error: BaseException) -> None:
    note("on_fail", [user.get(), bound.get() == taskq.current().id])


def _seen() -> list[Any]:
    return [user.get(), decimal.getcontext().prec, shop.get(), city.get(), bound.get() == taskq.current().id]


def _change(how: str) -> None:
    note("seen", _seen())
    user.set("anna")
    decimal.getcontext().prec = 3
    if how == "fail":
        raise ValueError("x")


options: Any = {"max_attempts": 1, "on_fail": _on_fail, "result_ttl": 60}


@queue.job(**options)
def change(how: str) -> None:
    _change(how)


@queue.job(**options)
async def achange(how: str) -> None:
    await asyncio.sleep(0)
    _change(how)


@queue.job(**options)
def items(how: str) -> Iterator[int]:
    yield 1
    _change(how)


@queue.job(**options)
async def aitems(how: str) -> AsyncIterator[int]:
    yield 1
    _change(how)


class Work:
    """Its handle() returns an awaitable."""

    def __init__(self, how: str) -> None:
        self.how = how

    def handle(self) -> Any:
        return self._work()

    async def _work(self) -> None:
        _change(self.how)
