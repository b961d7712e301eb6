"""Lanes: which side starts a message, and what the supervisor sees."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from taskq.clock import monotonic
from taskq.scoreboard.slot import Scoreboard, Slot
from taskq.scoreboard.state import LANE_LIMIT
from tests.support.wait import wait_until


def _id(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def scoreboard() -> Scoreboard:
    """The slots of two worker processes."""
    return Scoreboard([multiprocessing.get_context("fork").Lock() for _ in range(2)])


@pytest.fixture
def slot(scoreboard: Scoreboard) -> Slot:
    """A slot with four lanes, and a heartbeat of just now."""
    slot = scoreboard[0]
    slot.lanes.open(4)
    slot.set_beat(monotonic())
    slot.lease = 10.0
    return slot


def _reserve(slot: Slot, *lanes: int, now: float = 1.0) -> None:
    slot.lanes.reserve([(lane, _id(lane)) for lane in lanes], now)


def test_a_lane_is_seen_from_its_reserving_to_its_end(slot: Slot) -> None:
    """Given a message that is reserved, started, described, done and settled, then the supervisor sees each step."""
    _reserve(slot, 2)
    assert (slot.held, slot.unstarted(), slot.running(), slot.ids()) == (1, 1, [], [_id(2)])
    now = monotonic()
    assert slot.claim(2, now, 3)
    assert (slot.unstarted(), slot.running()[0][:4]) == (0, (_id(2), "", 3, now))
    slot.lanes.describe(2, "ü" * 200, 1234, now + 5, 50)
    (running,) = slot.running()
    assert (running.job, running.since_ms, running.deadline, running.retry_ms) == ("ü" * 60, 1234, now + 5, 50)
    slot.lanes.done(2)
    assert (slot.running(), slot.finished(), slot.held) == ([], [(_id(2), b"", 0)], 1)
    slot.lanes.free([2])
    assert (slot.finished(), slot.held) == ([], 0)


@pytest.mark.one_python
def test_the_name_of_a_job_is_written_once(slot: Slot) -> None:
    """Given runs of one job in a lane, then its name stays there; another job's name replaces it, also in the next worker process."""

    def run(slot: Slot, job: str) -> str:
        _reserve(slot, 1)
        assert slot.claim(1, monotonic(), 1)
        slot.lanes.describe(1, job, 1234, 0.0, -1)
        (running,) = slot.running()
        return running.job

    jobs = ("first", "first", "a longer name", "b", "first")
    assert [run(slot, job) for job in jobs] == list(jobs)
    slot.clear()
    slot.lanes.open(4)
    slot.set_beat(monotonic())
    assert run(slot, "first") == "first"


def test_several_run_the_oldest_first(slot: Slot) -> None:
    """Given three lanes that were started one after the other, then all are seen, the oldest first, and the youngest start is known."""
    _reserve(slot, 0, 1, 3)
    now = monotonic()
    for lane, age in ((0, 1.0), (1, 3.0), (3, 2.0)):
        assert slot.claim(lane, now - age, 1)
    assert [running.id for running in slot.running()] == [_id(1), _id(3), _id(0)]
    assert slot.began(now) == now - 1.0


def test_a_released_message_can_not_be_started(slot: Slot) -> None:
    """Given two unstarted and a running message, if the supervisor releases, then it gets the two, oldest first, and neither starts."""
    _reserve(slot, 0, now=5.0)
    assert slot.claim(0, monotonic(), 1)
    _reserve(slot, 1, now=7.0)
    _reserve(slot, 2, now=6.0)
    with slot.taken_back() as ids:
        assert ids == [_id(2), _id(1)]
    assert not slot.claim(1, monotonic(), 1)
    assert not slot.claim(2, monotonic(), 1)
    assert [running.id for running in slot.running()] == [_id(0)]


@pytest.mark.parametrize("why", ["reconcile", "lease"])
def test_nothing_starts_when_the_worker_must_reconcile_first(slot: Slot, why: str) -> None:
    """Given a request to reconcile, or no heartbeat for a lease, then no message is claimed."""
    _reserve(slot, 0)
    if why == "reconcile":
        slot.ask_reconcile()
    else:
        slot.set_beat(monotonic() - 11)
    assert not slot.claim(0, monotonic(), 1)
    assert slot.unstarted() == 1


def test_only_one_of_worker_and_supervisor_gets_a_message(slot: Slot) -> None:
    """Given a worker that claims hundreds while its supervisor releases, then each is claimed or released, never both or neither."""
    slot.lanes.open(LANE_LIMIT)
    slot.lanes.reserve([(lane, _id(lane)) for lane in range(LANE_LIMIT)], 1.0)
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        claimed = bytes(slot.claim(lane, monotonic(), 1) for lane in range(LANE_LIMIT))
        os.write(write, claimed)
        os._exit(0)
    wait_until(lambda: len(slot.running()) > LANE_LIMIT // 4, interval=0)
    with slot.taken_back() as taken:
        pass
    os.waitpid(pid, 0)
    claimed = os.read(read, LANE_LIMIT)
    os.close(read)
    os.close(write)
    started = {_id(lane) for lane in range(LANE_LIMIT) if claimed[lane]}
    assert started.isdisjoint(taken)
    assert len(started) + len(taken) == LANE_LIMIT


def test_neighbours_and_successors_see_nothing_of_it(scoreboard: Scoreboard, slot: Slot) -> None:
    """Given all lanes of a slot in use, then the next slot is empty, and a successor in the same slot begins without lanes."""
    slot.lanes.open(LANE_LIMIT)
    slot.lanes.reserve([(lane, _id(lane)) for lane in range(LANE_LIMIT)], 1.0)
    assert slot.held == LANE_LIMIT
    assert (scoreboard[1].held, scoreboard[1].lanes.count, scoreboard[1].running()) == (0, 0, [])
    slot.clear()
    slot.lanes.open(4)
    assert (slot.held, slot.unstarted(), slot.running()) == (0, 0, [])
