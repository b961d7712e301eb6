"""Timers: called in order in one thread, and cancelled without a lock."""

from __future__ import annotations

import threading
import time

from taskq.worker.concurrent.timers import Timers


def test_timers_call_in_the_order_of_their_times_and_not_when_cancelled() -> None:
    """Given timers set out of order, if many are cancelled, then the others are called in the order of their times."""
    timers, done = Timers(), threading.Event()
    called: list[object] = []
    now = time.monotonic() + 0.2  # time to cancel, on a busy machine
    cancelled = [timers.set(now + 0.03, lambda: called.append("cancelled")) for _ in range(500)]
    timers.set(now + 0.08, lambda: (called.append(3), done.set()))
    timers.set(now + 0.02, lambda: called.append(1))
    timers.set(now + 0.04, lambda: int("x"))  # raises, without any effect on the others
    timers.set(now + 0.06, lambda: called.append(2))
    for timer in cancelled:
        timers.cancel(timer)
    assert done.wait(10)
    assert called == [1, 2, 3]


def test_cancelled_timers_are_removed() -> None:
    """Given thousands of timers an hour ahead that are all cancelled, as the limits of short jobs are, then few are left in the heap."""
    timers = Timers()
    for _ in range(5000):
        timers.cancel(timers.set(time.monotonic() + 3600, lambda: None))
    assert len(timers._timers) < 200
