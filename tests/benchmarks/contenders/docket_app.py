"""docket, with its defaults: a result is stored when it is not None."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import marks
from docket import Docket

docket = Docket(url=os.environ["BENCH_URL"])


async def job(number: int) -> None:
    marks.run(number)


async def note(number: int) -> None:
    marks.started(number)


async def give(number: int) -> int:
    marks.run(number)
    return number


async def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


#: `docket worker` reads this.
tasks = [job, note, give, fail]


async def opened() -> None:
    await docket.__aenter__()
    for task in tasks:
        docket.register(task)


async def push(number: int) -> None:
    await docket.add(job)(number)


async def push_note(number: int) -> None:
    await docket.add(note)(number)


async def push_result(number: int) -> None:
    await docket.add(give)(number)


async def push_failing(number: int) -> None:
    await docket.add(fail)(number)


async def push_delayed(number: int, seconds: float) -> None:
    await docket.add(job, when=datetime.now(UTC) + timedelta(seconds=seconds))(number)


async def push_many(numbers: Iterable[int]) -> None:
    await docket.add_many([docket.call(job)(number) for number in numbers])
