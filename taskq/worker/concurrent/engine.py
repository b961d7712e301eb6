"""A worker that runs several jobs at once: coroutine jobs as tasks on the main thread's event loop, others in threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from taskq.config import ChannelSettings
from taskq.driver.contract import Driver, Link
from taskq.errors import MessageError
from taskq.queue import Queue
from taskq.scoreboard.poke import Poke
from taskq.scoreboard.slot import Slot
from taskq.wire.message import Message
from taskq.worker.concurrent.completions import Completions
from taskq.worker.concurrent.job_threads import JobThreads
from taskq.worker.concurrent.lane import Lane, Tools
from taskq.worker.concurrent.pump import LaneControl, Pump, PumpSetup
from taskq.worker.concurrent.timers import Timers
from taskq.worker.concurrent.wakeup import WakeableWait
from taskq.worker.execute.eventloop import is_of_leftover, new_loop
from taskq.worker.execute.unpacker import Opened, UnknownHere, Unpacker
from taskq.worker.intake import Intake
from taskq.worker.settler import Settler
from taskq.worker.variables import context_maker

__all__ = ["ConcurrentEngine"]

_log = logging.getLogger("taskq.worker")
#: Seconds that tasks which jobs have left on the loop get to end when they are cancelled.
_LAST_SECONDS = 1.0


class ConcurrentEngine:
    """The event loop, the lanes, and the pump that feeds them."""

    def __init__(self, queue: Queue, driver: Driver, link: Link, slot: Slot, *, worker: str, channel: ChannelSettings, poke: Poke) -> None:
        self._loop = new_loop(channel.loop)
        self._wakeup = WakeableWait([poke.descriptor])
        self._unpacker = Unpacker(queue, channel)
        self._setup = PumpSetup(driver, link, slot, worker, channel, self._wakeup, poke)
        #: Lanes that are about to begin on the loop.
        self._waiting: deque[Lane] = deque()
        self._on_all_begin: Callable[[], None] = lambda: None
        self._is_over = False
        self._error: BaseException | None = None
        slot.lease = channel.lease
        slot.lanes.open(channel.concurrency)

    def is_stopping(self) -> bool:
        """Return True if SIGTERM has arrived."""
        return self._wakeup.stopping

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the process's event loop."""
        return self._loop

    def wait_for(self, awaitable: Any) -> Any:
        """Run an awaitable on the event loop, and return its result."""
        return self._loop.run_until_complete(awaitable)

    def run(self) -> None:
        """Run jobs until the worker is asked to stop, or this process has reached its limits."""
        pump = self._make_pump()
        threading.Thread(target=self._pump, args=(pump,), name="taskq-pump", daemon=True).start()
        # uvloop has replaced the wake-up pipe with its own.
        self._loop.call_soon(self._wakeup.install)
        while not self._is_over:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                if not is_of_leftover(error):
                    raise
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Cancel the tasks that jobs have left on the loop, and close its generators."""
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=_LAST_SECONDS))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def _make_pump(self) -> Pump:
        setup, loop, wakeup, channel = self._setup, self._loop, self._wakeup, self._setup.channel
        patience = min(5.0, channel.stop_timeout / 2)
        settler = Settler(setup.driver, setup.link, setup.worker, stopping=lambda: wakeup.stopping, pause=wakeup.pause, patience=patience)
        completions = Completions(settler, setup.slot, wakeup, setup.poke)
        intake = Intake(setup.driver, settler, self._unpacker, setup.slot, worker=setup.worker, channel=channel)
        timers = Timers()
        threads = JobThreads(setup.worker, channel.concurrency, completions.all_begin)
        completions.beginning = self._waiting, threads.calls
        self._on_all_begin = completions.all_begin
        tools = Tools(
            unpacker=self._unpacker,
            threads=threads,
            slot=setup.slot,
            timers=timers,
            loop=loop,
            worker=setup.worker,
            max_crashes=channel.max_crashes,
            tidy=wakeup.check,
            new_context=context_maker(),
            on_import=completions.on_import,
        )
        lanes = [Lane(number, tools, completions) for number in range(channel.concurrency)]
        completions.lanes.add(lanes)
        control = LaneControl(self._open, self._begin, self._break_off, Lane.cancel)
        return Pump(setup, control, settler, intake, completions)

    def _pump(self, pump: Pump) -> None:
        try:
            pump.run()
        except BaseException as error:
            self._error = error
        self._is_over = True
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _open(self, message: Message) -> Opened | None:
        try:
            return self._unpacker.open(message)
        except (MessageError, UnknownHere):
            return None

    def _begin(self, lanes: list[Lane]) -> None:
        self._waiting += lanes
        self._loop.call_soon_threadsafe(self._begin_waiting)

    def _begin_waiting(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                lane = waiting.popleft()
                if not waiting:
                    self._on_all_begin()
                lane.begin_on_loop()
        finally:
            if waiting:  # an exception of the app's signal handler: it must not take the messages of other lanes with it
                self._loop.call_soon(self._begin_waiting)

    def _break_off(self, lanes: list[Lane]) -> None:
        def break_off() -> None:
            for lane in lanes:
                lane.break_off()

        self._loop.call_soon_threadsafe(break_off)
