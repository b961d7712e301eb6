"""One lane: every message it is given leads to a word at the desk."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextvars import Context
from typing import Any

import pytest

from taskq.clock import monotonic
from taskq.scoreboard.slot import Records
from taskq.worker.concurrent.lane import REFUSED, Lane, Said, Tools
from taskq.worker.concurrent.threads import ThreadExecutor
from taskq.worker.concurrent.timers import Alarm
from taskq.worker.execute.async_runner import BROKEN_OFF
from taskq.worker.execute.verdict import Verdict
from tests.worker.conftest import Bench


class FakeDesk:
    """Notes what is said."""

    def __init__(self) -> None:
        self.said: list[Verdict | Said] = []

    def say(self, lane: Lane, said: Verdict | Said) -> None:
        self.said.append(said)

    def stuck(self, lane: Lane, run: int) -> None: ...


@pytest.mark.parametrize("has_begun", [False, True], ids=["unbegun", "begun"])
def test_a_task_that_is_broken_off_is_answered_for_once(bench: Bench, has_begun: bool) -> None:
    """Given a worker that must end, if a task has not come to its first step, then its message is refused, else given back."""
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)
        await asyncio.sleep(60)

    message = bench.pack(bench.queue.job(name="work")(work).bind())
    record = Records([multiprocessing.get_context("fork").Lock()])[0]
    record.lanes.open(1)
    record.set_beat(monotonic())
    record.lease = 10.0
    record.lanes.reserve([(0, message.id)], monotonic())
    desk = FakeDesk()

    async def scene() -> None:
        loop, alarm = asyncio.get_running_loop(), Alarm()
        executor: Any = ThreadExecutor(loop, alarm)
        lane = Lane(0, Tools(bench.opener(), executor, record, alarm, loop, "w1", 3, lambda: None), desk)
        lane.take(message, Context())
        lane.begin_on_loop()
        if has_begun:
            await asyncio.sleep(0)
        lane.break_off()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=10)  # type: ignore[type-var]

    asyncio.run(scene())
    assert (desk.said, ran) == (([BROKEN_OFF], [1]) if has_begun else ([REFUSED], []))
