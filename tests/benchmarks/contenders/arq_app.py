"""arq, with its defaults, and told to keep no results."""

from __future__ import annotations

import os
from typing import Any

import marks
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.worker import func

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])
POOLS: list[ArqRedis] = []


async def job(_: dict[str, Any], number: int) -> None:
    marks.run(number)


async def note(_: dict[str, Any], number: int) -> None:
    marks.started(number)


async def give(_: dict[str, Any], number: int) -> int:
    marks.run(number)
    return number


async def fail(_: dict[str, Any], number: int) -> None:
    marks.run(number)
    raise ValueError(number)


class WorkerSettings:
    """What `arq arq_app.WorkerSettings` reads."""

    functions = (job, note, func(give, keep_result=600), fail)
    redis_settings = SETTINGS
    keep_result = 0


async def opened() -> None:
    POOLS.append(await create_pool(SETTINGS))


async def push(number: int) -> None:
    await POOLS[0].enqueue_job("job", number)


async def push_note(number: int) -> None:
    await POOLS[0].enqueue_job("note", number)


async def push_result(number: int) -> None:
    await POOLS[0].enqueue_job("give", number)


async def push_failing(number: int) -> None:
    await POOLS[0].enqueue_job("fail", number)


async def push_delayed(number: int, seconds: float) -> None:
    await POOLS[0].enqueue_job("job", number, _defer_by=seconds)
