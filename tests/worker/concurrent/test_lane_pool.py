"""The lane pool: which lanes are free, and which wait for an ack or a listener."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.wire.message import Message
from taskq.worker.concurrent.lane_pool import LanePool
from tests.worker.conftest import Bench


class StubLane:
    """Holds a message."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.run = 0
        self.message: Any = None

    def take(self, message: Message, opened: object) -> None:
        self.message = message
        self.run += 1


@pytest.fixture
def pool() -> LanePool:
    """Three free lanes."""
    pool = LanePool()
    lanes: list[Any] = [StubLane(number) for number in range(3)]
    pool.add(lanes)
    return pool


@pytest.fixture
def messages(bench: Bench) -> list[Message]:
    """Four messages."""
    job = bench.queue.job(name="work")(lambda: None)
    return [bench.pack(job.bind()) for _ in range(4)]


def test_a_lane_is_busy_until_its_ack_is_sent(pool: LanePool, messages: list[Message]) -> None:
    """Given a job that succeeds, then its lane counts as room for the next reserve, and is free once that was sent."""
    lane = pool.take(messages[0], None)
    assert (lane.number, pool.room, pool.free, pool.busy, set(pool.known)) == (0, 2, 2, [lane], {messages[0].id})
    pool.done(lane)
    assert (pool.room, pool.free, pool.busy, pool.busy_count) == (3, 2, [], 0)
    assert not pool.is_idle()
    assert pool.settled() == [lane]
    pool.release([lane])
    assert (pool.free, pool.is_idle()) == (3, True)


@pytest.mark.parametrize("first", ["ack", "listeners"])
def test_a_lane_waits_for_ack_and_listeners(pool: LanePool, messages: list[Message], first: str) -> None:
    """Given a lane whose ack is pending and whose listeners are running, then it is free after both, in either order."""
    lane = pool.take(messages[0], None)
    pool.done(lane)
    pool.announcing(lane)
    assert (pool.room, pool.busy, pool.busy_count, pool.is_announcing(lane)) == (2, [lane], 1, True)
    ends = [pool.settled, lambda: pool.announced(lane)]
    if first == "listeners":
        ends.reverse()
    assert ends[0]() == []
    assert (pool.room, len(pool.busy), pool.busy_count) == ((2, 1, 1) if first == "ack" else (3, 0, 0))
    assert ends[1]() == [lane]
    pool.release([lane])
    assert (pool.room, pool.busy_count) == (3, 0)


def test_the_last_freed_lane_is_used_first(pool: LanePool, messages: list[Message]) -> None:
    """Given lanes that were used and freed, then one job after the other uses the same one: no unneeded thread is started."""
    numbers = []
    for message in messages:
        lane = pool.take(message, None)
        numbers.append(lane.number)
        pool.release([lane])
    assert numbers == [0, 0, 0, 0]


def test_a_run_is_known_until_it_is_over(pool: LanePool, messages: list[Message]) -> None:
    """Given a lane that runs one message after another, then a late event of the first doesn't count for the second."""
    lane = pool.take(messages[0], None)
    run = lane.run
    assert pool.is_running(lane, run)
    pool.release([lane])
    assert not pool.is_running(lane, run)
    assert pool.take(messages[1], None) is lane
    assert (pool.is_running(lane, run), pool.is_running(lane, lane.run)) == (False, True)


def test_a_settled_message_may_be_reserved_again_while_its_listeners_run(pool: LanePool, messages: list[Message]) -> None:
    """Given a settled message whose listeners are running, then it isn't known, and each of its two lanes is freed separately."""
    first = pool.take(messages[0], None)
    pool.announcing(first)
    assert pool.holding([messages[0].id, messages[1].id]) == {first}
    pool.mark_settled(first)
    assert (set(pool.known), pool.holding([messages[0].id]), pool.busy) == (set(), set(), [first])
    second = pool.take(messages[0], None)
    assert pool.busy == [first, second]
    pool.release(pool.announced(first))
    assert (set(pool.known), pool.busy, pool.free) == ({messages[0].id}, [second], 2)


def test_an_acked_message_is_unknown_before_its_listeners_return(pool: LanePool, messages: list[Message]) -> None:
    """Given a lane whose ack was sent and whose listeners are running, then its message isn't known any longer."""
    lane = pool.take(messages[0], None)
    pool.done(lane)
    pool.announcing(lane)
    assert set(pool.known) == {messages[0].id}
    assert pool.settled() == []
    assert (set(pool.known), pool.busy) == (set(), [lane])


@pytest.mark.one_python
def test_acks_are_ordered_if_they_are_of_the_first_messages(pool: LanePool, messages: list[Message]) -> None:
    """Given messages in the order of the reserved list, then only acks of the first ones are known to be in that order."""
    first, second, third = (message.id for message in messages[:3])
    lanes = [pool.take(message, None) for message in messages[:3]]
    assert pool.in_order([second, first]) == [first, second]
    assert pool.in_order([first]) == [first]
    assert pool.in_order([]) == []
    assert pool.in_order([second]) is None
    assert pool.in_order([first, third]) is None
    pool.release(lanes[:1])
    assert pool.in_order([third, second]) == [second, third]


@pytest.mark.one_python
def test_an_order_that_is_lost_returns_once_no_message_is_known(pool: LanePool, messages: list[Message]) -> None:
    """Given a list that may have another order, or copies, then acks aren't ordered until the worker knows none of its messages."""
    lane = pool.take(messages[0], None)
    pool.expect(ordered=False)
    assert pool.in_order([messages[0].id]) is None
    pool.expect(ordered=True)
    assert pool.in_order([messages[0].id]) is None
    pool.release([lane])
    pool.expect(ordered=False)
    lane = pool.take(messages[1], None)
    assert pool.in_order([messages[1].id]) is None
    pool.release([lane])
    pool.expect(ordered=True)
    pool.take(messages[2], None)
    assert pool.in_order([messages[2].id]) == [messages[2].id]
