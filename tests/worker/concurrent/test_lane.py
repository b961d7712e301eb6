"""One lane: each message leads to one event."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar
from types import SimpleNamespace
from typing import Any

import pytest

import taskq
from taskq.clock import monotonic
from taskq.scoreboard.slot import Slot
from taskq.worker.concurrent.engine import ConcurrentEngine
from taskq.worker.concurrent.job_threads import JobThreads
from taskq.worker.concurrent.lane import Announced, Event, Finished, Lane, Refused, Stuck, Tools
from taskq.worker.concurrent.timers import Timers
from taskq.worker.execute.eventloop import start_task
from taskq.worker.execute.unpacker import Unpacker
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from tests.support.wait import wait_until
from tests.worker.conftest import Bench, open_slot


class FakeSink:
    """Notes the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        self.events.append(event)


def _tools(
    unpacker: Unpacker,
    slot: Slot,
    loop: asyncio.AbstractEventLoop,
    *,
    threads: JobThreads | None = None,
    timers: Timers | None = None,
) -> Tools:
    return Tools(unpacker, threads or JobThreads("w1", 1), slot, timers or Timers(), loop, "w1", 3, lambda: None, Context)


class Scene:
    """A running loop with one lane, which has reserved a message."""

    def __init__(self, bench: Bench, function: Callable[..., Any], **options: Any) -> None:
        self.message = bench.pack(bench.queue.job(name="work", **options)(function).bind())
        self.slot = open_slot(1)
        self.slot.lanes.reserve([(0, self.message.id)], monotonic())
        self.sink, self.timers = FakeSink(), Timers()
        self._unpacker = bench.unpacker()

    def play(self, act: Callable[[], None] = lambda: None) -> list[Event]:
        """Begin the lane on a loop, do something, and return the events once the lane's task has ended."""

        async def play() -> None:
            loop = asyncio.get_running_loop()
            self.lane = Lane(0, _tools(self._unpacker, self.slot, loop, timers=self.timers), self.sink)
            self.lane.take(self.message, None)
            self.lane.begin_on_loop()
            act()
            if others := asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[type-var]
                await asyncio.wait(others, timeout=30)

        asyncio.run(play())
        return self.sink.events


@pytest.mark.parametrize("has_begun", [False, True], ids=["unbegun", "begun"])
def test_a_task_that_is_broken_off_is_answered_for_once(bench: Bench, monkeypatch: pytest.MonkeyPatch, has_begun: bool) -> None:
    """Given a worker that must end, if a task has not come to its first step, then its message is refused, otherwise released."""
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)
        await asyncio.sleep(60)

    def break_off() -> None:
        if has_begun:
            asyncio.get_running_loop().call_soon(scene.lane.break_off)
        else:
            scene.lane.break_off()

    scene = Scene(bench, work)
    if not has_begun:  # as with a task factory, and in Python 3.11
        monkeypatch.setattr("taskq.worker.concurrent.lane.start_task", lambda loop, one, context: loop.create_task(one, context=context))
    events = scene.play(break_off)
    expected: Event = Finished(scene.lane, Verdict(action=Action.RELEASE)) if has_begun else Refused(scene.lane)
    assert (events, ran) == ([expected], [1] if has_begun else [])


def test_the_first_step_of_a_coroutine_is_part_of_its_run(bench: Bench) -> None:
    """Given a coroutine job that doesn't wait, then it sees its message and its slot, keeps its variables, and ends like any other."""
    seen: list[Any] = []

    async def work() -> None:
        variable.set("the job's")
        running = scene.slot.running()[0]
        seen.append((taskq.current().id, running.id, running.job, running.attempt, asyncio.current_task() in asyncio.all_tasks()))

    variable: ContextVar[str] = ContextVar("variable", default="")
    scene = Scene(bench, work)
    events = scene.play(lambda: seen.append((list(scene.sink.events), variable.get())))
    assert events == [Finished(scene.lane, ACKED)]
    began = [events, ""] if sys.version_info >= (3, 12) else [[], ""]
    ran = (scene.message.hex_id, scene.message.id, "work", 1, True)
    assert sorted(seen, key=len) == [tuple(began), ran]
    assert scene.slot.finished() == [(scene.message.id, b"", 0)]


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError])
def test_an_exception_in_the_first_step_fails_the_run(bench: Bench, error: type[BaseException]) -> None:
    """Given a coroutine job that raises before it waits, then its attempt has failed, and nothing reaches the loop."""

    async def work() -> None:
        raise error

    (event,) = Scene(bench, work).play()
    assert isinstance(event, Finished)
    assert (event.verdict.action, type(event.verdict.error)) == (Action.RETRY, error)


def test_a_cancel_reaches_a_coroutine_in_its_first_step(bench: Bench) -> None:
    """Given a coroutine job that blocks in its first step, if it is cancelled meanwhile, then it is interrupted where it first waits."""

    async def work() -> None:
        by_pump = threading.Thread(target=lambda: scene.lane.cancel("ops"))
        by_pump.start()
        by_pump.join()
        await asyncio.sleep(60)

    scene = Scene(bench, work)
    (event,) = scene.play()
    assert isinstance(event, Finished)
    assert (event.verdict.action, type(event.verdict.error)) == (Action.ACK, asyncio.CancelledError)
    assert event.verdict.ending is not None


def test_a_limit_counts_from_the_first_step(bench: Bench) -> None:
    """Given a coroutine job that is past its time limit when it first waits, then it is interrupted there."""

    async def work() -> None:
        while monotonic() < scene.slot.running()[0].deadline:
            pass
        await asyncio.sleep(60)

    scene = Scene(bench, work, handle_timeout=0.001)
    (event,) = scene.play()
    assert isinstance(event, Finished)
    assert isinstance(event.verdict.error, taskq.JobTimeout)


def test_a_coroutine_stuck_in_its_first_step_is_reported_by_the_loop(bench: Bench) -> None:
    """Given a coroutine job that blocks past its limit in its first step, then only the supervisor can help: no event comes meanwhile."""

    async def work() -> None:
        for timer in late:
            timer()
        late.append(list(scene.sink.events))

    late: list[Any] = []
    scene = Scene(bench, work, handle_timeout=60)
    scene.timers = SimpleNamespace(set=lambda when, call: late.append(call), cancel=lambda timer: None)  # type: ignore[assignment]
    events = scene.play()
    assert late[-1] == []
    assert [type(event) for event in events] == [Finished, Stuck]  # too late: the run is over


def test_a_task_factory_of_the_app_makes_the_tasks(bench: Bench) -> None:
    """Given an app that has set a task factory, then it makes the tasks of jobs, too."""
    made: list[str] = []

    async def work() -> None:
        pass

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        await start_task(loop, work(), Context())
        loop.set_task_factory(None)

    asyncio.run(scene())
    assert made == ["work"]


def test_lanes_begin_beside_one_that_raises() -> None:
    """Given lanes that begin together, if an exception of a signal handler interrupts the first, then the others still begin.

    The pump learns when the last of them begins.
    """
    begun: list[int] = []

    class BrokenLane:
        def begin_on_loop(self) -> None:
            raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    engine: Any = object.__new__(ConcurrentEngine)
    engine._loop, engine._waiting, engine._on_all_begin = loop, deque(), lambda: begun.append(0)
    lanes: Any = [BrokenLane(), *(SimpleNamespace(begin_on_loop=lambda number=number: begun.append(number)) for number in (1, 2))]
    engine._begin(lanes)
    loop.call_soon(lambda: loop.call_soon(loop.stop))
    for _ in range(2):
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            continue
    loop.close()
    assert begun == [1, 0, 2]


def test_a_late_cancel_does_not_meet_the_next_job_of_the_thread(bench: Bench) -> None:
    """Given a thread that runs the job of a second lane, if the ended job of the first is cancelled, then the second isn't interrupted."""
    began, gate = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        gate.wait(30)

    slot = open_slot(2)
    sink, loop = FakeSink(), asyncio.new_event_loop()
    tools = _tools(bench.unpacker(), slot, loop)
    lanes = []
    for number, work in enumerate((lambda: None, wait)):
        message = bench.pack(bench.queue.job(name=f"work{number}")(work).bind())
        slot.lanes.reserve([(number, message.id)], monotonic())
        lanes.append(Lane(number, tools, sink))
        lanes[number].take(message, None)
        lanes[number].begin_in_thread()
    assert began.wait(30)
    lanes[0].cancel("ops")
    gate.set()
    wait_until(lambda: len(sink.events) == 2)
    loop.close()
    assert sink.events == [Finished(lane, ACKED) for lane in lanes]


@pytest.mark.one_python
def test_a_process_that_a_listener_forks_ends_with_it(bench: Bench) -> None:
    """Given a listener that forks, and returns in both processes, then the new one ends: it takes no calls from its copy of the inbox."""
    forked: list[int] = []
    threads: Any = SimpleNamespace(put=lambda call: call())
    sink, loop = FakeSink(), asyncio.new_event_loop()
    lane = Lane(0, _tools(bench.unpacker(), open_slot(1), loop, threads=threads), sink)
    lane.announce(lambda: forked.append(os.fork()))
    if forked == [0]:
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(forked[0], 0)[1]) == 0
    loop.close()
    assert sink.events == [Announced(lane)]


def test_an_opened_message_is_read_only_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a message that the pump has opened, then its lane neither decodes it nor checks its signature again."""
    message = bench.pack(bench.queue.job(name="add")(lambda a, b: a + b).bind(1, 2))
    unpacker, reads = bench.unpacker(), []
    read = Unpacker.read
    monkeypatch.setattr(Unpacker, "read", lambda self, message: reads.append(message.id) or read(self, message))
    slot = open_slot(1)
    slot.lanes.reserve([(0, message.id)], monotonic())
    sink = FakeSink()
    loop = asyncio.new_event_loop()
    lane = Lane(0, _tools(unpacker, slot, loop), sink)
    lane.take(message, unpacker.open(message))
    lane.begin_in_thread()
    wait_until(lambda: sink.events)
    loop.close()
    assert sink.events == [Finished(lane, ACKED)]
    assert reads == [message.id]
