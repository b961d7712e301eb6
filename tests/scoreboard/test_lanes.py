"""The lanes of the shared record: who starts a message, and what the supervisor sees."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from taskq.clock import monotonic
from taskq.scoreboard.slot import Record, Records
from taskq.scoreboard.state import LANE_LIMIT
from tests.support.wait import wait_until


def _id(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def records() -> Records:
    """Two workers' places."""
    return Records([multiprocessing.get_context("fork").Lock() for _ in range(2)])


@pytest.fixture
def record(records: Records) -> Record:
    """One with four lanes, whose supervisor has just beaten."""
    record = records[0]
    record.lanes.open(4)
    record.set_beat(monotonic())
    record.lease = 10.0
    return record


def _reserve(record: Record, *lanes: int, now: float = 1.0) -> None:
    record.lanes.reserve([(lane, _id(lane)) for lane in lanes], now)


def test_a_lane_is_seen_from_its_reserving_to_its_end(record: Record) -> None:
    """Given a message that is reserved, started, described, done and settled, then the supervisor sees each step."""
    _reserve(record, 2)
    assert (record.held, record.unstarted(), record.running(), record.ids()) == (1, 1, [], [_id(2)])
    now = monotonic()
    assert record.claim(2, now, 3)
    assert (record.unstarted(), record.running()[0][:4]) == (0, (_id(2), "", 3, now))
    record.lanes.describe(2, "ü" * 200, 1234, now + 5, 50)
    (running,) = record.running()
    assert (running.job, running.since_ms, running.deadline, running.retry_ms) == ("ü" * 60, 1234, now + 5, 50)
    record.lanes.done(2)
    assert (record.running(), record.done_ids(), record.held) == ([], [_id(2)], 1)
    record.lanes.free([2])
    assert (record.done_ids(), record.held) == ([], 0)


def test_several_run_the_oldest_first(record: Record) -> None:
    """Given three lanes that were started one after the other, then all are seen, the oldest first, and the youngest start is known."""
    _reserve(record, 0, 1, 3)
    now = monotonic()
    for lane, age in ((0, 1.0), (1, 3.0), (3, 2.0)):
        assert record.claim(lane, now - age, 1)
    assert [running.id for running in record.running()] == [_id(1), _id(3), _id(0)]
    assert record.began(now) == now - 1.0


def test_what_was_taken_back_can_not_be_started(record: Record) -> None:
    """Given two unstarted and a running message, if the supervisor takes back, then it gets the two, oldest first, and neither starts."""
    _reserve(record, 0, now=5.0)
    assert record.claim(0, monotonic(), 1)
    _reserve(record, 1, now=7.0)
    _reserve(record, 2, now=6.0)
    with record.taken_back() as ids:
        assert ids == [_id(2), _id(1)]
    assert not record.claim(1, monotonic(), 1)
    assert not record.claim(2, monotonic(), 1)
    assert [running.id for running in record.running()] == [_id(0)]


@pytest.mark.parametrize("why", ["reconcile", "lease"])
def test_nothing_starts_when_the_worker_must_look_first(record: Record, why: str) -> None:
    """Given a supervisor that asks for a look, or that hasn't beaten for a lease, then no message is claimed."""
    _reserve(record, 0)
    if why == "reconcile":
        record.ask_reconcile()
    else:
        record.set_beat(monotonic() - 11)
    assert not record.claim(0, monotonic(), 1)
    assert record.unstarted() == 1


def test_only_one_of_worker_and_supervisor_gets_a_message(record: Record) -> None:
    """Given a worker that claims hundreds while its supervisor takes back, then each is claimed or taken back, never both or neither."""
    record.lanes.open(LANE_LIMIT)
    record.lanes.reserve([(lane, _id(lane)) for lane in range(LANE_LIMIT)], 1.0)
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        claimed = bytes(record.claim(lane, monotonic(), 1) for lane in range(LANE_LIMIT))
        os.write(write, claimed)
        os._exit(0)
    wait_until(lambda: len(record.running()) > LANE_LIMIT // 4, interval=0)
    with record.taken_back() as taken:
        pass
    os.waitpid(pid, 0)
    claimed = os.read(read, LANE_LIMIT)
    os.close(read)
    os.close(write)
    started = {_id(lane) for lane in range(LANE_LIMIT) if claimed[lane]}
    assert started.isdisjoint(taken)
    assert len(started) + len(taken) == LANE_LIMIT


def test_neighbours_and_successors_see_nothing_of_it(records: Records, record: Record) -> None:
    """Given all lanes of a worker in use, then the place beside it is empty, and a successor in the same place begins with none."""
    record.lanes.open(LANE_LIMIT)
    record.lanes.reserve([(lane, _id(lane)) for lane in range(LANE_LIMIT)], 1.0)
    assert record.held == LANE_LIMIT
    assert (records[1].held, records[1].lanes.count, records[1].running()) == (0, 0, [])
    record.clear()
    record.lanes.open(4)
    assert (record.held, record.unstarted(), record.running()) == (0, 0, [])
