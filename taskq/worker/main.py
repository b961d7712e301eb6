"""The life of a worker process: from the fork to the exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import Any, Protocol

from taskq import events
from taskq.config import ChannelSettings
from taskq.context import Context
from taskq.driver.contract import Link
from taskq.driver.load import load_driver
from taskq.events import ProcessEvent
from taskq.jobs.around.wrapper import make_wrapper
from taskq.logs.job_filter import fields_of
from taskq.queue import Queue
from taskq.scoreboard.poke import Poke
from taskq.scoreboard.slot import Slot
from taskq.scoreboard.state import CANT_START, Phase
from taskq.worker.process.current_loop import keep_current
from taskq.worker.process.debugger import replace_breakpoint
from taskq.worker.process.lifespan import Lifespan
from taskq.worker.serial.engine import SerialEngine

__all__ = ["work"]


class Engine(Protocol):
    """Runs the jobs: one at a time, or several."""

    def is_stopping(self) -> bool: ...

    def event_loop(self) -> asyncio.AbstractEventLoop: ...

    def wait_for(self, awaitable: Any) -> Any: ...

    def run(self) -> None: ...

    def close(self) -> None: ...


def work(queue: Queue, url: str, channel: ChannelSettings, worker: str, slot: Slot, poke: Poke) -> None:
    """Run jobs of a channel until the process is asked to stop (SIGTERM) or replaced.

    Args:
        queue: holds the jobs.
        url: the URL of the server, as the supervisor uses it.
        channel: the channel to consume.
        worker: the id of this worker process.
        slot: its slot in the scoreboard.
        poke: makes the supervisor look at the slot.
    """
    _seed_numpy()
    _bind_structlog(queue)
    driver = load_driver(url, channel)
    link: Link = driver.link(5.0, fenced=True)
    engine: Engine
    if channel.concurrency > 1:
        from taskq.worker.concurrent.engine import (
            ConcurrentEngine,  # it imports asyncio and threads, which the serial engine doesn't need
        )

        engine = ConcurrentEngine(queue, driver, link, slot, worker=worker, channel=channel, poke=poke)
    else:
        _lend(queue, url, channel, link)
        engine = SerialEngine(queue, driver, link, slot, worker=worker, channel=channel, poke=poke)
    keep_current(engine.event_loop)
    replace_breakpoint()
    lifespan = Lifespan(queue, engine.wait_for, engine.is_stopping)
    if not lifespan.open():
        if not lifespan.was_stopped:
            sys.exit(CANT_START)
        slot.set_phase(Phase.STOPPING)
        return
    event = ProcessEvent(worker=worker, pid=os.getpid(), channels=(channel.name,))
    events.emit(events.child_start, event)
    engine.run()
    slot.set_phase(Phase.STOPPING)
    lifespan.close()
    events.emit(events.child_stop, event)
    engine.close()
    link.close()
    queue.close()


def _seed_numpy() -> None:
    """Seed numpy's global generator, as Python does with its own after a fork: otherwise all processes draw the same numbers."""
    random: Any = sys.modules.get("numpy.random")
    if random is None:
        return
    try:
        random.seed()
    except TypeError:  # the app has chosen another kind of generator
        random.set_bit_generator(type(random.get_bit_generator())())


def _bind_structlog(queue: Queue) -> None:
    """Let each job bind its fields to the context variables of structlog, if the app has imported it."""
    is_bound = any(one.function is _structlog_fields for one in queue.wrappers)  # by an earlier worker of this process, in a simulation
    if "structlog.contextvars" in sys.modules and not is_bound:
        queue.wrappers.insert(0, make_wrapper(_structlog_fields))


def _structlog_fields(context: Context) -> Iterator[None]:
    contextvars: Any = sys.modules["structlog.contextvars"]
    with contextvars.bound_contextvars(**fields_of(context)):
        yield


def _lend(queue: Queue, url: str, channel: ChannelSettings, link: Link) -> None:
    """Let jobs push over the worker's own connection, which is idle while they run. In a Cluster, it reaches only one channel's node."""
    is_alone = channel.driver != "redis" or "+cluster" in url
    for name in [channel.name] if is_alone else {channel.name, *queue.channel_names()}:
        if queue.channel(name).driver == channel.driver:
            queue.outbox.lend(name, link)
