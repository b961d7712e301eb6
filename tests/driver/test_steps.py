"""Steps run by a sync and an async client."""

from __future__ import annotations

import asyncio
from typing import Any

from taskq.config import ChannelSettings
from taskq.driver.contract import Command
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.steps import Steps, arun, run
from taskq.errors import ServerUnavailable

DRIVER = RedisDriver("unix:///nowhere.sock", ChannelSettings(name="default"))


def test_sync_and_async_do_the_same() -> None:
    """Given steps that ask, wait, and bear an error, then both ways send the same commands and return the same."""

    def steps() -> Steps[list[Any]]:
        found = [(yield DRIVER.time())]
        yield 0.001
        try:
            yield DRIVER.version()
        except ServerUnavailable as error:
            found.append(str(error))
        return found

    def call(command: Command) -> Any:
        if command == DRIVER.time():
            return 7
        raise ServerUnavailable("gone")

    async def acall(command: Command) -> Any:
        return call(command)

    assert run(steps(), call) == [7, "gone"]
    assert asyncio.run(arun(steps(), acall)) == [7, "gone"]
