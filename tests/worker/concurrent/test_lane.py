"""One lane: each message leads to one event."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextvars import Context
from typing import Any

import pytest

from taskq.clock import monotonic
from taskq.scoreboard.slot import Scoreboard
from taskq.worker.concurrent.lane import Event, Finished, Lane, Refused, Tools
from taskq.worker.concurrent.threads import ThreadExecutor
from taskq.worker.concurrent.timers import Timers
from taskq.worker.execute.unpacker import Unpacker
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from tests.support.wait import wait_until
from tests.worker.conftest import Bench


class FakeSink:
    """Notes the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        self.events.append(event)


@pytest.mark.parametrize("has_begun", [False, True], ids=["unbegun", "begun"])
def test_a_task_that_is_broken_off_is_answered_for_once(bench: Bench, has_begun: bool) -> None:
    """Given a worker that must end, if a task has not come to its first step, then its message is refused, otherwise released."""
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
    sink = FakeSink()

    async def scene() -> None:
        loop, timers = asyncio.get_running_loop(), Timers()
        executor: Any = ThreadExecutor(loop, timers)
        lane = Lane(0, Tools(bench.unpacker(), executor, slot, timers, loop, "w1", 3, lambda: None, Context), sink)
        lane.take(message, None)
        lane.begin_on_loop()
        if has_begun:
            await asyncio.sleep(0)
        lane.break_off()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=10)  # type: ignore[type-var]

        lanes.append(lane)

    lanes: list[Lane] = []
    asyncio.run(scene())
    expected: Event = Finished(lanes[0], Verdict(action=Action.RELEASE)) if has_begun else Refused(lanes[0])
    assert (sink.events, ran) == ([expected], [1] if has_begun else [])


def test_an_opened_message_is_read_only_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a message that the pump has opened, then its lane neither decodes it nor checks its signature again."""
    message = bench.pack(bench.queue.job(name="add")(lambda a, b: a + b).bind(1, 2))
    unpacker, reads = bench.unpacker(), []
    read = Unpacker.read
    monkeypatch.setattr(Unpacker, "read", lambda self, message: reads.append(message.id) or read(self, message))
    slot = Scoreboard([multiprocessing.get_context("fork").Lock()])[0]
    slot.lanes.open(1)
    slot.set_beat(monotonic())
    slot.lease = 10.0
    slot.lanes.reserve([(0, message.id)], monotonic())
    sink = FakeSink()
    loop = asyncio.new_event_loop()
    timers = Timers()
    lane = Lane(0, Tools(unpacker, ThreadExecutor(loop, timers), slot, timers, loop, "w1", 3, lambda: None, Context), sink)
    lane.take(message, unpacker.open(message))
    lane.begin_in_thread()
    wait_until(lambda: sink.events)
    loop.close()
    assert sink.events == [Finished(lane, ACKED)]
    assert reads == [message.id]
