"""A worker that runs one job at a time, in the main thread: the fast path."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from taskq.config import ChannelSettings
from taskq.driver.contract import Driver, Link
from taskq.queue import Queue
from taskq.scoreboard.poke import Poke
from taskq.scoreboard.slot import Slot
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.execute.places import REPLACED_AFTER_IMPORT
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.unpacker import Unpacker
from taskq.worker.process.signals import SignalWait
from taskq.worker.serial.cancel import Canceller
from taskq.worker.serial.loop import Loop

__all__ = ["SerialEngine"]

_log = logging.getLogger("taskq.worker")


class SerialEngine:
    """The loop and its parts."""

    def __init__(self, queue: Queue, driver: Driver, link: Link, slot: Slot, *, worker: str, channel: ChannelSettings, poke: Poke) -> None:
        signals = self._signals = SignalWait([poke.descriptor])
        self._executor = SyncExecutor(self._on_import, channel.loop)
        self._is_unsound = False
        runner = Runner(Unpacker(queue, channel), self._executor, slot, worker, channel.max_crashes)
        self._canceller = Canceller(signals, slot, runner, self._executor)
        self._loop = Loop(driver, link, runner, slot, worker=worker, channel=channel, signals=signals, poke=poke)

    def is_stopping(self) -> bool:
        """Return True if SIGTERM has arrived."""
        return self._signals.stopping

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the process's event loop."""
        return self._executor.event_loop()

    def wait_for(self, awaitable: Any) -> Any:
        """Run an awaitable on the process's event loop, and return its result."""
        return self._executor.wait_for(awaitable)

    def run(self) -> None:
        """Run jobs until the worker is asked to stop, or this process has reached its limits."""
        self._loop.run()
        if self._is_unsound:
            _log.warning(REPLACED_AFTER_IMPORT, os.getpid())

    def _on_import(self) -> None:
        """Begin no other job. Called in a signal handler, so the log has to wait."""
        self._is_unsound = self._signals.stopping = True

    def close(self) -> None:
        """Close the event loop, if one was opened."""
        self._executor.close()
