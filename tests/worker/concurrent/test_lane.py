"""One lane: every message it is given leads to a word at the desk."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextvars import Context
from typing import Any

import pytest

from taskq.clock import monotonic
from taskq.scoreboard.slot import Scoreboard
from taskq.worker.concurrent.lane import REFUSED, Lane, Said, Tools
from taskq.worker.concurrent.threads import ThreadExecutor
from taskq.worker.concurrent.timers import Timers
from taskq.worker.execute.async_runner import BROKEN_OFF
from taskq.worker.execute.verdict import Verdict
from tests.worker.conftest import Bench


class FakeDesk:
    """Notes what is said."""

    def __init__(self) -> None:
        self.event: list[Verdict | Said] = []

    def add(self, lane: Lane, event: Verdict | Said) -> None:
        self.event.append(event)

    def stuck(self, lane: Lane, run: int) -> None: ...


@pytest.mark.parametrize("has_begun", [False, True], ids=["unbegun", "begun"])
def test_a_task_that_is_broken_off_is_answered_for_once(bench: Bench, has_begun: bool) -> None:
    """Given a worker that must end, if a task has not come to its first step, then its message is refused, else given back."""
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)
        await asyncio.sleep(60)

    message = bench.pack(bench.queue.job(name="work")(work).bind())
    slot = Scoreboard([multiprocessing.get_context("fork").Lock()])[0]
    slot.lanes.open(1)
    slot.set_beat(monotonic())
    slot.lease = 10.0
    slot.lanes.reserve([(0, message.id)], monotonic())
    sink = FakeDesk()

    async def scene() -> None:
        loop, timers = asyncio.get_running_loop(), Timers()
        executor: Any = ThreadExecutor(loop, timers)
        lane = Lane(0, Tools(bench.unpacker(), executor, slot, timers, loop, "w1", 3, lambda: None), sink)
        lane.take(message, Context())
        lane.begin_on_loop()
        if has_begun:
            await asyncio.sleep(0)
        lane.break_off()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=10)  # type: ignore[type-var]

    asyncio.run(scene())
    assert (sink.event, ran) == (([BROKEN_OFF], [1]) if has_begun else ([REFUSED], []))
