"""The slots that zygotes give to their worker processes."""

from __future__ import annotations

from taskq.supervisor.processes.slots import Slots


def test_each_slot_is_in_use_once() -> None:
    """Given slots for two children, then there are twice as many with some to spare; each is taken once, and again when it is free."""
    slots = Slots(2)
    assert len(slots) == 36
    taken = [slots.take() for _ in range(36)]
    assert sorted(one for one in taken if one is not None) == list(range(36))
    assert slots.take() is None
    slots.free(7)
    assert slots.take() == 7
    assert slots[7] is slots.scoreboard[7]


def test_room_is_kept_for_processes_beyond_the_settings() -> None:
    """Given slots for 40 children, then 40 have room, and 41 don't."""
    slots = Slots(40)
    assert slots.has_room(40)
    assert not slots.has_room(41)
