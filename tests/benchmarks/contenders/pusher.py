"""Pushes to one contender, as an application would, and prints what it measured as JSON.

    python pusher.py taskq_app fill 1000           push 1000 jobs, one by one
    python pusher.py taskq_app many 1000           … with push_many
    python pusher.py taskq_app latency 100 0.02    push 100 notes, each when the one before has started and 0.02 s have gone by
    python pusher.py taskq_app kind '"result"' 1000 2   push 1000 jobs of a kind; delayed ones are due 2 s after the start
    python pusher.py taskq_app tasks 1000               push 1000 jobs from 100 tasks of an event loop
    python pusher.py taskq_app later 100 2         push 100 notes that are due at moments spread over 2 s

    python pusher.py taskq_app fill 1000 '"push_constant"'    … with another function of the app
    python pusher.py taskq_app call '"push_naps"' 1000 0.02   call a function of the app once

`latency` (its third number says otherwise) and `later` end after 20 s with what they have.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import marks

LIMIT = 20.0
#: Tasks of an event loop that push at the same time.
TASKS = 100
Push = Callable[..., Any]


async def each(push: Push, *calls: tuple[Any, ...]) -> None:
    """Call it with each, and await it where it is a coroutine: no more than that stands between two pushes."""
    if inspect.iscoroutinefunction(push) or inspect.iscoroutinefunction(getattr(push, "__func__", None)):
        for call in calls:
            await push(*call)
    else:
        for call in calls:
            push(*call)


async def fill(app: Any, count: int, name: str = "push", first: int = 0) -> dict[str, Any]:
    """Push one by one; `first` more before the clock starts: what only the first push pays (connections, imports) is no rate."""
    push = getattr(app, name)
    await each(push, *[(number,) for number in range(first)])
    calls = [(number,) for number in range(count)]
    began = time.monotonic()
    await each(push, *calls)
    return {"seconds": time.monotonic() - began}


async def call(app: Any, name: str, *values: Any) -> dict[str, Any]:
    """Call a function of the app once."""
    getattr(app, name)(*values)
    return {}


async def many(app: Any, count: int, first: int = 0) -> dict[str, Any]:
    """Push all with one call, and `first` more before the clock starts."""
    if first:
        await each(app.push_many, (range(first),))
    began, used = time.monotonic(), time.process_time()
    await each(app.push_many, (range(count),))
    return {"seconds": time.monotonic() - began, "cpu": time.process_time() - used}


async def tasks(app: Any, count: int) -> dict[str, Any]:
    """Push from tasks that run at the same time, each one after the other; the same before the clock starts, to open connections."""
    push = getattr(app, "apush", app.push)

    async def pushes(numbers: range) -> None:
        for number in numbers:
            await push(number)

    await asyncio.gather(*[pushes(range(1)) for _ in range(TASKS)])
    began, used = time.monotonic(), time.process_time()
    await asyncio.gather(*[pushes(range(first, count, TASKS)) for first in range(TASKS)])
    return {"seconds": time.monotonic() - began, "cpu": time.process_time() - used}


async def kind(app: Any, name: str, count: int, seconds: float) -> dict[str, Any]:
    """Push jobs of a kind; delayed ones are due that many seconds after the start, all together."""
    end, together = time.monotonic() + seconds, getattr(app, "push_kind", None)
    if together is not None:
        together(name, count, seconds)
        return {}
    push = getattr(app, f"push_{name}")
    for number in range(count):
        await each(push, (number, max(0.1, end - time.monotonic())) if name == "delayed" else (number,))
    return {}


async def latency(app: Any, count: int, pause: float, limit: float = LIMIT) -> dict[str, Any]:
    """Measure from just before the push to the job's first line."""
    waits: list[float] = []
    end = time.monotonic() + limit
    for number in range(count + 5):
        if time.monotonic() > end:
            break
        began = time.monotonic()
        await each(app.push_note, (number,))
        while not (moment := marks.take(number)) and time.monotonic() < end:
            await asyncio.sleep(0.0005)
        if not moment:
            break
        waits.append(moment - began)
        await asyncio.sleep(pause)
    return {"waits": waits[5:]}  # the first ones open connections


async def later(app: Any, count: int, spread: float) -> dict[str, Any]:
    """Measure from the moment a job is due to its first line."""
    due: dict[int, float] = {}
    for number in range(count):
        delay = 1 + spread * number / count
        due[number] = time.monotonic() + delay
        await each(app.push_later, (number, delay))
    late = {}
    end = time.monotonic() + LIMIT
    while due and time.monotonic() < end:
        await asyncio.sleep(0.05)
        for number in list(due):
            if moment := marks.take(number):
                late[number] = moment - due.pop(number)
    return {"waits": list(late.values()), "missing": len(due)}


async def main(module: str, what: str, *values: str) -> None:
    """Do it, and print."""
    app = importlib.import_module(module)
    opened: Callable[[], Awaitable[None]] | None = getattr(app, "opened", None)
    if opened is not None:
        await opened()
    measures: dict[str, Any] = {"fill": fill, "many": many, "latency": latency, "later": later}
    measures |= {"call": call, "tasks": tasks, "kind": kind}
    print(json.dumps(await measures[what](app, *map(json.loads, values))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
