"""Completions: the events of lanes, settled in the order in which they arrive."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.clock import monotonic
from taskq.driver.contract import StoredEnding
from taskq.scoreboard.state import Phase
from taskq.wire.message import Message
from taskq.worker.concurrent.completions import Completions
from taskq.worker.concurrent.lane import Announced, Finished, Refused, Stuck
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from tests.worker.conftest import Bench, open_slot

FAILED = Verdict(action=Action.FAIL, message=b"bytes")


class FakeSettler:
    """Notes what it settles; acks stay pending until a flush."""

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self.is_ordered = False
        self.calls: list[tuple[Any, ...]] = []
        self.uncertain = False

    def keep(self, message_id: bytes, now: float) -> None:
        self.done.append(message_id)

    def keep_ending(self, message_id: bytes, ending: StoredEnding, message: bytes, now: float) -> None:
        self.keep(message_id, now)
        self.calls.append(("keep", ending.data, message))

    def flush(self) -> None:
        self.done = []

    def settle(self, message_id: bytes, verdict: Verdict, message: bytes) -> None:
        self.calls.append(("settle", message_id, verdict.action))
        if verdict.announce is not None:
            verdict.announce()

    def release(self, where: str, ids: list[bytes]) -> None:
        self.calls.append(("release", *ids))

    def restore(self, messages: list[bytes]) -> None:
        self.calls.append(("restore", *messages))


class FakeWakeup:
    """Counts how often the pump is woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def descriptors(self) -> list[int]:
        return []


class FakeLane:
    """Holds a message, and notes what it announces."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.run = 0
        self.message: Any = None
        self.announced = 0

    def take(self, message: Message, opened: object) -> None:
        self.message = message
        self.run += 1

    def announce(self, announce: Any) -> None:
        self.announced += 1


class Scene:
    """Completions with three lanes, each with a reserved message."""

    def __init__(self, bench: Bench) -> None:
        self.slot = open_slot(3)
        self.settler: Any = FakeSettler()
        self.wakeup: Any = FakeWakeup()
        self.pokes: list[str] = []
        self.completions = Completions(self.settler, self.slot, self.wakeup, lambda: self.pokes.append("poke"))
        pool = self.completions.lanes
        lanes: list[Any] = [FakeLane(number) for number in range(3)]
        pool.add(lanes)
        job = bench.queue.job(name="work")(lambda: None)
        self.lanes: list[Any] = [pool.take(bench.pack(job.bind()), None) for _ in range(3)]
        self.slot.lanes.reserve([(lane.number, lane.message.id) for lane in self.lanes], monotonic())

    def start(self, *lanes: Any) -> None:
        for lane in lanes:
            assert self.slot.claim(lane.number, monotonic(), 1)


@pytest.fixture
def scene(bench: Bench) -> Scene:
    """Three messages in three lanes."""
    return Scene(bench)


def test_acks_stay_pending_and_failures_are_settled_at_once(scene: Scene) -> None:
    """Given a job that succeeded and one that failed, then the ack waits for the flush, and the failure is settled."""
    good, bad, _ = scene.lanes
    scene.start(good, bad)
    scene.completions.add(Finished(good, ACKED))
    scene.completions.add(Finished(bad, FAILED))
    assert (scene.completions.has_news(), scene.wakeup.woken) == (True, 2)
    scene.completions.settle()
    assert not scene.completions.has_news()
    assert (scene.settler.done, scene.settler.calls) == ([good.message.id], [("settle", bad.message.id, Action.FAIL)])
    assert (scene.completions.ended, scene.slot.counts) == (2, (2, 1))
    assert scene.completions.lanes.free == 1
    scene.completions.flush()
    assert scene.completions.lanes.free == 2


@pytest.mark.one_python
def test_pending_acks_are_sent_in_the_order_of_the_reserved_list(scene: Scene) -> None:
    """Given runs that end in another order than they were reserved in, then their acks are ordered, unless an earlier one still runs."""
    first, second, third = scene.lanes
    for lane in (third, second):
        scene.completions.add(Finished(lane, ACKED))
    scene.completions.settle()
    scene.completions.order_acks()
    assert (scene.settler.is_ordered, scene.settler.done) == (False, [third.message.id, second.message.id])
    scene.completions.add(Finished(first, ACKED))
    scene.completions.settle()
    scene.completions.order_acks()
    assert (scene.settler.is_ordered, scene.settler.done) == (True, [lane.message.id for lane in scene.lanes])


@pytest.mark.one_python
def test_acks_of_messages_that_begin_together_wake_the_pump_once(scene: Scene) -> None:
    """Given runs that are about to begin, then an ack wakes the pump only when the last of them begins; a failure wakes it at once."""
    first, second, bad = scene.lanes
    beginning = [second]
    scene.completions.beginning = [], beginning
    scene.completions.all_begin()
    assert (scene.completions.has_news(), scene.wakeup.woken) == (False, 0)  # without an event, there is nothing to settle
    scene.completions.add(Finished(first, ACKED))
    assert (scene.completions.has_news(), scene.wakeup.woken) == (False, 0)
    scene.completions.add(Finished(bad, FAILED))
    assert (scene.completions.has_news(), scene.wakeup.woken) == (True, 1)
    scene.completions.settle()
    assert scene.settler.done == [first.message.id]
    scene.completions.add(Finished(second, ACKED))
    beginning.clear()
    scene.completions.all_begin()
    assert (scene.completions.has_news(), scene.wakeup.woken) == (True, 2)
    scene.completions.settle()
    assert (scene.settler.done, scene.completions.has_news()) == ([first.message.id, second.message.id], False)


def test_results_wait_with_the_acks_if_the_supervisor_can_read_them(scene: Scene) -> None:
    """Given a result in the shared memory, then it stays pending, and its lane; one that isn't there is settled at once."""
    small, large, _ = scene.lanes
    scene.start(small, large)
    kept, too_large = (Verdict(action=Action.ACK, ending=StoredEnding(data, 60_000)) for data in (b"x", b"x" * 30_000))
    for lane, verdict in ((small, kept), (large, too_large)):
        assert verdict.ending is not None
        scene.slot.end_lane(lane.number, verdict.ending.data, 60_000)
        scene.completions.add(Finished(lane, verdict))
    scene.completions.settle()
    assert scene.settler.calls == [("keep", b"x", small.message.raw), ("settle", large.message.id, Action.ACK)]
    assert (scene.settler.done, scene.completions.lanes.free, scene.slot.counts) == ([small.message.id], 1, (2, 0))
    scene.completions.flush()
    assert (scene.completions.lanes.free, scene.slot.finished()) == (2, [])


def test_listeners_run_in_the_lane_which_is_free_after_them(scene: Scene) -> None:
    """Given a failure with listeners, then the lane announces it, and is busy until the event that they have returned."""
    lane = scene.lanes[0]
    scene.start(lane)
    scene.completions.add(Finished(lane, Verdict(action=Action.FAIL, message=b"bytes", announce=lambda: None)))
    scene.completions.settle()
    assert (lane.announced, scene.completions.lanes.free) == (1, 0)
    scene.completions.add(Announced(lane))
    scene.completions.settle()
    assert scene.completions.lanes.free == 1


def test_released_messages_free_their_lanes_when_these_refuse(scene: Scene) -> None:
    """Given unstarted messages that were released, then their lanes are used again only once they have refused to start."""
    running, *unstarted = scene.lanes
    scene.start(running)
    scene.completions.release_unstarted()
    assert scene.settler.calls == [("release", *(lane.message.id for lane in unstarted))]
    assert scene.completions.awaits_refusals
    for lane in unstarted:
        assert not scene.slot.claim(lane.number, monotonic(), 1)
        scene.completions.add(Refused(lane))
    scene.completions.settle()
    assert (scene.completions.awaits_refusals, scene.completions.lanes.free) == (False, 2)
    assert len(scene.settler.calls) == 1


def test_a_message_that_may_not_start_is_restored_if_the_server_has_lost_it(scene: Scene) -> None:
    """Given a worker process that must reconcile, if a lane refuses its message, then the message is stored again, and released."""
    lane, *others = scene.lanes
    scene.start(*others)
    scene.slot.ask_reconcile()
    assert not scene.slot.claim(lane.number, monotonic(), 1)
    scene.completions.add(Refused(lane))
    scene.completions.settle()
    assert scene.settler.uncertain
    assert scene.settler.calls == [("restore", lane.message.raw), ("release", lane.message.id)]


def test_a_stuck_job_makes_the_process_leave_at_once(scene: Scene) -> None:
    """Given a job that ignores its limit, then the process leaves and isn't waited for; the event of an earlier run changes nothing."""
    lane, *others = scene.lanes
    scene.start(*scene.lanes)
    scene.completions.add(Stuck(lane, lane.run - 1))
    scene.completions.settle()
    assert (scene.completions.is_broken, scene.pokes) == (False, [])
    scene.completions.add(Stuck(lane, lane.run))
    assert (scene.completions.is_broken, scene.slot.phase, scene.pokes) == (True, Phase.LEAVING, ["poke"])
    for other in others:
        scene.completions.add(Finished(other, ACKED))
    scene.completions.settle()
    assert scene.completions.is_empty()


def test_written_off_events_settle_nothing(scene: Scene) -> None:
    """Given events while the server is unreachable, if they are written off, then nothing is settled and nothing is waited for."""
    scene.start(*scene.lanes)
    stuck, *ended = scene.lanes
    for lane in ended:
        scene.completions.add(Finished(lane, ACKED))
    scene.completions.add(Stuck(stuck, stuck.run))
    scene.completions.write_off()
    assert (scene.settler.calls, scene.settler.done, scene.completions.is_empty()) == ([], [], True)
    assert not scene.completions.has_news()  # otherwise the pump would not sleep until the other jobs have ended
