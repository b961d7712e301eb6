"""The pump's bookkeeping: which lanes are free, and which wait for an ack or a listener."""

from __future__ import annotations

from contextvars import Context
from typing import Any

import pytest

from taskq.wire.message import Message
from taskq.worker.concurrent.lane_pool import Roster
from tests.worker.conftest import Bench


class StubLane:
    """Holds a message."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.run = 0
        self.message: Any = None

    def take(self, message: Message, context: Context) -> None:
        self.message = message
        self.run += 1


@pytest.fixture
def roster() -> Roster:
    """Three free lanes."""
    roster = Roster()
    lanes: list[Any] = [StubLane(number) for number in range(3)]
    roster.add(lanes)
    return roster


@pytest.fixture
def messages(bench: Bench) -> list[Message]:
    """Four messages."""
    job = bench.queue.job(name="work")(lambda: None)
    return [bench.pack(job.bind()) for _ in range(4)]


def test_a_lane_is_busy_until_its_ack_is_told(roster: Roster, messages: list[Message]) -> None:
    """Given a job that ends well, then its lane gives room for the next trip, and is free when that was made."""
    lane = roster.take(messages[0], Context())
    assert (lane.number, roster.room, roster.free, roster.busy, set(roster.known)) == (0, 2, 2, [lane], {messages[0].id})
    roster.done(lane)
    assert (roster.room, roster.free, roster.busy) == (3, 2, [])
    assert not roster.is_idle()
    assert roster.settled() == [lane]
    roster.release([lane])
    assert (roster.free, roster.is_idle()) == (3, True)


@pytest.mark.parametrize("first", ["ack", "listeners"])
def test_a_lane_waits_for_ack_and_listeners(roster: Roster, messages: list[Message], first: str) -> None:
    """Given a lane whose ack is kept and whose listeners are being told, then it is free after both, whichever is first."""
    lane = roster.take(messages[0], Context())
    roster.done(lane)
    roster.tell(lane)
    assert (roster.room, roster.busy, roster.is_telling(lane)) == (2, [lane], True)
    ends = [roster.settled, lambda: roster.told(lane)]
    if first == "listeners":
        ends.reverse()
    assert [end() for end in ends] == [[], [lane]]


def test_the_last_freed_lane_is_used_first(roster: Roster, messages: list[Message]) -> None:
    """Given lanes that were used and freed, then one job after the other uses the same one: no more threads than needed are started."""
    numbers = []
    for message in messages:
        lane = roster.take(message, Context())
        numbers.append(lane.number)
        roster.release([lane])
    assert numbers == [0, 0, 0, 0]


def test_a_run_is_known_until_it_is_over(roster: Roster, messages: list[Message]) -> None:
    """Given a lane that runs one message after another, then what is said late of the first isn't believed of the second."""
    lane = roster.take(messages[0], Context())
    run = lane.run
    assert roster.is_running(lane, run)
    roster.release([lane])
    assert not roster.is_running(lane, run)
    assert roster.take(messages[1], Context()) is lane
    assert (roster.is_running(lane, run), roster.is_running(lane, lane.run)) == (False, True)


def test_what_is_settled_may_come_back_while_its_listeners_are_told(roster: Roster, messages: list[Message]) -> None:
    """Given a settled message whose listeners are being told, then it isn't known, and each of its two lanes is freed on its own."""
    first = roster.take(messages[0], Context())
    roster.tell(first)
    assert roster.holding([messages[0].id, messages[1].id]) == {first}
    roster.gone(first)
    assert (set(roster.known), roster.holding([messages[0].id]), roster.busy) == (set(), set(), [first])
    second = roster.take(messages[0], Context())
    assert roster.busy == [first, second]
    roster.release(roster.told(first))
    assert (set(roster.known), roster.busy, roster.free) == ({messages[0].id}, [second], 2)


def test_an_acked_message_is_unknown_before_its_listeners_are_told(roster: Roster, messages: list[Message]) -> None:
    """Given a lane whose ack has been told, and whose listeners are being told, then the worker doesn't take its message for its own."""
    lane = roster.take(messages[0], Context())
    roster.done(lane)
    roster.tell(lane)
    assert set(roster.known) == {messages[0].id}
    assert roster.settled() == []
    assert (set(roster.known), roster.busy) == (set(), [lane])
