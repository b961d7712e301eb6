"""The due times of the parts of a supervisor."""

from __future__ import annotations

import math

from taskq.supervisor.dispatch.schedule import Schedule


def test_what_is_due_is_taken_in_order() -> None:
    """Given parts that are due at different times, then those that are due are taken, the earliest first, and the next one is known."""
    schedule = Schedule[str]()
    for one, due in (("late", 30.0), ("second", 2.0), ("first", 1.0)):
        schedule.put(one, due)
    assert (schedule.take(0.5), schedule.take(2.0), schedule.take(2.0)) == ([], ["first", "second"], [])
    assert schedule.next_due() == 30.0


def test_the_last_time_counts() -> None:
    """Given a part that is put again, sooner, later and at its first time, then it is taken once, at the last one."""
    schedule = Schedule[str]()
    for due in (5.0, 1.0, 9.0, 5.0):
        schedule.put("a", due)
    assert (schedule.take(4.0), schedule.next_due(), schedule.take(20.0), schedule.next_due()) == ([], 5.0, ["a"], math.inf)


def test_removed_parts_are_never_due() -> None:
    """Given two parts of which one is kept, then the other is not taken."""
    schedule = Schedule[str]()
    schedule.put("kept", 2.0)
    schedule.put("gone", 1.0)
    schedule.keep(["kept"])
    assert (schedule.next_due(), schedule.take(3.0)) == (2.0, ["kept"])
