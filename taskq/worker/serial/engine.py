"""A worker that runs one job at a time, in the main thread: the fast path."""

from __future__ import annotations

from typing import Any

from taskq.config import ChannelSettings
from taskq.driver.contract import Driver, Link
from taskq.queue import Queue
from taskq.scoreboard.poke import Poke
from taskq.scoreboard.slot import Record
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.unpacker import Opener
from taskq.worker.process.signals import Waiter
from taskq.worker.serial.cancel import Canceller
from taskq.worker.serial.loop import Loop

__all__ = ["Solo"]


class Solo:
    """The loop, with all that it needs."""

    def __init__(
        self, queue: Queue, driver: Driver, link: Link, record: Record, *, worker: str, channel: ChannelSettings, poke: Poke
    ) -> None:
        waiter = self._waiter = Waiter([poke.descriptor])
        self._executor = SyncExecutor()
        runner = Runner(Opener(queue, channel), self._executor, record, worker, channel.max_crashes)
        self._canceller = Canceller(waiter, record, runner, self._executor)
        self._loop = Loop(driver, link, runner, record, worker=worker, channel=channel, waiter=waiter, poke=poke)

    def is_told_to_stop(self) -> bool:
        """Whether SIGTERM has come."""
        return self._waiter.stopping

    def wait_for(self, awaitable: Any) -> Any:
        """Run an awaitable on the process's event loop, and return its result."""
        return self._executor.wait_for(awaitable)

    def run(self) -> None:
        """Work until told to stop, or until this process has done its share."""
        self._loop.run()

    def close(self) -> None:
        """Close the event loop, if one was opened."""
        self._executor.close()
