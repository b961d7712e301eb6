"""The final states of a batch in shared memory."""

from __future__ import annotations

import pytest

from taskq.scoreboard.endings import BATCH_LIMIT
from taskq.scoreboard.slot import Scoreboard, Slot
from taskq.supervisor.processes.fork import make_lock

IDS = [bytes([number]) * 16 for number in range(BATCH_LIMIT)]


@pytest.fixture
def scoreboard() -> Scoreboard:
    return Scoreboard([make_lock() for _ in range(3)])


def _end(slot: Slot, index: int, data: bytes = b"", ttl_ms: int = 0) -> bool:
    """Run the next job of a batch; return False if its final state doesn't fit."""
    assert slot.start_next(1.0, 1)
    fits = bool(data) and slot.endings.put(index, data, ttl_ms)
    slot.end_job(index, acked=True, failed=False, has_ending=fits)
    return fits


def test_the_supervisor_reads_what_has_ended_and_how(scoreboard: Scoreboard) -> None:
    """Given a batch of which some jobs have ended, with results or without, then the supervisor finds them, in their order."""
    slot = scoreboard[1]
    slot.begin_batch(IDS[:4])
    assert not slot.has_endings
    assert _end(slot, 0, b"first", 5)
    _end(slot, 1)
    assert _end(slot, 2, b"third", 10**12)
    assert slot.start_next(2.0, 1)
    assert slot.finished() == [(IDS[0], b"first", 5), (IDS[1], b"", 0), (IDS[2], b"third", 10**12)]
    assert (slot.has_endings, [one.id for one in slot.running()]) == (True, [IDS[3]])
    slot.end_batch()
    assert (slot.has_endings, slot.finished()) == (False, [])


def test_what_was_settled_during_the_batch_is_not_settled_again(scoreboard: Scoreboard) -> None:
    """Given results that were stored before the batch is over, then they are gone, and their memory is free; later ones are there."""
    slot = scoreboard[1]
    slot.begin_batch(IDS[:3])
    assert _end(slot, 0, b"x" * 60_000, 5)
    _end(slot, 1)
    slot.mark_settled()
    assert (slot.has_endings, slot.finished(), slot.running()) == (False, [], [])
    assert _end(slot, 2, b"y" * 60_000, 7)
    assert slot.finished() == [(IDS[2], b"y" * 60_000, 7)]


def test_what_does_not_fit_is_refused_and_nothing_else_is_touched(scoreboard: Scoreboard) -> None:
    """Given a slot full of results, then a further one is refused, the others are complete, and other slots are empty."""
    slot = scoreboard[1]
    slot.begin_batch(IDS)
    for index in range(BATCH_LIMIT):
        assert _end(slot, index, bytes([index]) * 256, index)
    assert not slot.endings.put(0, b"z", 5)
    assert slot.finished() == [(IDS[index], bytes([index]) * 256, index) for index in range(BATCH_LIMIT)]
    assert [(other.finished(), other.lanes.count) for other in (scoreboard[0], scoreboard[2])] == [([], 0)] * 2
    slot.begin_batch(IDS[:1])
    assert slot.finished() == []
    assert _end(slot, 0, b"w" * 65536, 5)


def test_lanes_have_equal_parts(scoreboard: Scoreboard) -> None:
    """Given a process with several jobs at once, then each lane has its part of the memory, and what doesn't fit is not marked."""
    slot = scoreboard[1]
    slot.lanes.open(100)
    slot.lanes.reserve([(lane, IDS[lane]) for lane in range(100)], 1.0)
    for lane in range(99):
        assert slot.claim(lane, 1.0, 1)
        slot.end_lane(lane, bytes([lane]) * (680 if lane else 700), lane)
    slot.lanes.done(99)
    assert slot.finished() == [*((IDS[lane], bytes([lane]) * 680, lane) for lane in range(1, 99)), (IDS[99], b"", 0)]
    assert ([one.id for one in slot.running()], slot.held) == ([IDS[0]], 100)
    assert (slot.lanes.is_done(0), slot.lanes.is_done(1), slot.lanes.is_done(99)) == (False, True, True)
    slot.lanes.free(range(100))
    assert slot.finished() == []
    assert [(other.finished(), other.lanes.count) for other in (scoreboard[0], scoreboard[2])] == [([], 0)] * 2
