"""The pauses between the tries of a command, and the time to give up."""

from __future__ import annotations

import pytest

from taskq.clock import monotonic
from taskq.driver import backoff as backoff_module
from taskq.driver.backoff import Backoff
from taskq.errors import ServerUnavailable

UNREACHABLE = ServerUnavailable("gone")


def test_pauses_are_random_and_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given tries that fail, then the bound of each pause is twice the one before, up to the longest; an answer starts again."""
    bounds: list[tuple[float, float]] = []
    monkeypatch.setattr(backoff_module.random, "uniform", lambda low, high: bounds.append((low, high)) or high)
    backoff = Backoff(0.1, 0.5)
    assert [backoff.pause() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    assert {low for low, _ in bounds} == {0.01}
    backoff.answered()
    assert backoff.pause() == 0.1
    backoff.slow_down()
    assert [backoff.pause(), backoff.pause()] == [0.5, 0.5]


def test_a_longest_below_the_first_bounds_every_pause() -> None:
    """Given a longest pause shorter than the first, then no pause is longer."""
    backoff = Backoff(1.0, 0.005)
    assert all(backoff.pause() <= 0.005 for _ in range(5))


def test_retries_end_at_the_deadline() -> None:
    """Given a server that is unreachable, then it is asked again with pauses, and for the last time at the deadline."""
    assert 0 < Backoff(deadline=monotonic() + 60).pause_after(UNREACHABLE) <= 2
    assert 0 < Backoff(30.0, 30.0, least=30.0, deadline=monotonic() + 0.5).pause_after(UNREACHABLE) <= 0.5
    with pytest.raises(ServerUnavailable, match="gone"):
        Backoff(deadline=monotonic()).pause_after(UNREACHABLE)


def test_patience_counts_from_the_first_failure() -> None:
    """Given patience, then retries end once the server has been unreachable for that long; an answer in between starts it again."""
    clock = monotonic()
    backoff = Backoff(patience=10.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backoff_module, "monotonic", lambda: clock)
        for seconds in (0, 9):
            clock += seconds
            backoff.pause_after(UNREACHABLE)
        backoff.answered()
        for seconds in (5, 9):
            clock += seconds
            backoff.pause_after(UNREACHABLE)
        clock += 1
        with pytest.raises(ServerUnavailable, match="gone"):
            backoff.pause_after(UNREACHABLE)
