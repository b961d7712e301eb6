"""The life of a worker process: from the fork to the exit code."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from taskq import events
from taskq.config import ChannelSettings
from taskq.driver.base import Link
from taskq.driver.load import load_driver
from taskq.events import ProcessEvent
from taskq.queue import Queue
from taskq.worker.executor import SyncExecutor
from taskq.worker.loop import Loop
from taskq.worker.opening import Opener
from taskq.worker.record import Record
from taskq.worker.runner import Runner
from taskq.worker.running import Phase
from taskq.worker.waiter import Waiter

__all__ = ["work"]

_log = logging.getLogger("taskq.worker")


def work(queue: Queue, url: str, channel: ChannelSettings, worker: str, record: Record, poke: Callable[[], None]) -> None:
    """Run jobs of a channel until told to stop (SIGTERM) or replaced.

    Args:
        queue: holds the jobs.
        url: the server, as the supervisor knows it.
        channel: what to work, and how.
        worker: this worker's id.
        record: what the supervisor sees of it.
        poke: tells the supervisor to look at the record.
    """
    waiter = Waiter()
    driver = load_driver(url, channel)
    link: Link = driver.link(5.0)
    _lend(queue, url, channel, link)
    executor = SyncExecutor()
    runner = Runner(Opener(queue, channel), executor, record, worker, channel.max_crashes)
    event = ProcessEvent(worker=worker, pid=os.getpid(), channels=(channel.name,))
    events.emit(events.child_start, event)
    loop = Loop(driver, link, runner, record, worker=worker, channel=channel, waiter=waiter, poke=poke)
    loop.run()
    record.set_phase(Phase.STOPPING)
    events.emit(events.child_stop, event)
    executor.close()
    link.close()
    queue.close()


def _lend(queue: Queue, url: str, channel: ChannelSettings, link: Link) -> None:
    """Let jobs push over the worker's own connection, which rests while they run. In a Cluster it leads to one channel's node only."""
    is_alone = channel.driver != "redis" or "+cluster" in url
    for name in [channel.name] if is_alone else queue.channel_names():
        if queue.channel(name).driver == channel.driver:
            queue.outbox.lend(name, link)
