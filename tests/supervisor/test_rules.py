"""The supervisor's decisions as pure functions."""

from __future__ import annotations

import pytest

from taskq.scoreboard.state import Running
from taskq.supervisor.rules import (
    CRASH_LIMIT,
    beat_seconds,
    is_helpless,
    leave_until,
    must_kill,
    must_release,
    overdue,
    respawn_pause,
    start_pause,
)


def test_five_heartbeats_fit_into_a_lease() -> None:
    """Given a lease, then heartbeats are at most a fifth of it apart, and vary."""
    beats = {beat_seconds(15.0) for _ in range(50)}
    assert all(2.4 <= beat <= 3.0 for beat in beats)
    assert len(beats) > 10


@pytest.mark.parametrize(
    ("running_for", "unstarted", "expected"), [(0.01, 5, False), (0.06, 5, True), (0.06, 0, False), (3600.0, 1, True), (0.0, 0, False)]
)
def test_messages_behind_a_slow_job_are_released(running_for: float, unstarted: int, expected: bool) -> None:
    """Given a running job and messages behind it, then they are released after 50 ms."""
    assert must_release(running_for, unstarted) is expected


@pytest.mark.parametrize(
    ("deadline", "now", "expected"), [(0.0, 1e9, False), (100.0, 99.0, False), (100.0, 100.9, False), (100.0, 101.1, True)]
)
def test_a_deadline_has_a_second_of_grace(deadline: float, now: float, expected: bool) -> None:
    """Given a deadline, then the process is killed a second after it; without one, never."""
    assert must_kill(deadline, now) is expected


def test_replacement_slows_down_with_crashes() -> None:
    """Given more crashes within ten seconds, then the pause doubles with each, up to half a minute; old ones don't count."""
    assert [respawn_pause([100.0] * count, 100.0) for count in range(CRASH_LIMIT + 1)] == [0.0] * (CRASH_LIMIT + 1)
    assert [respawn_pause([100.0] * (CRASH_LIMIT + more), 100.0) for more in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert respawn_pause([100.0] * 50, 111.0) == 0.0


def _running(number: int, deadline: float) -> Running:
    return Running(bytes([number]) * 16, "job", 1, 90.0, 1, deadline, -1)


def test_only_jobs_past_their_grace_are_overdue() -> None:
    """Given jobs with and without limits, then a second past it one is overdue; a quarter more, and its process is helpless."""
    early, late, free = _running(1, 99.5), _running(2, 98.9), _running(3, 0.0)
    assert overdue([early, late, free], 100.0) == [late]
    assert not is_helpless([late], 100.0)
    assert is_helpless([late], 100.2)
    assert not is_helpless([], 1e9)


@pytest.mark.parametrize(
    ("deadlines", "expected"),
    [
        ([98.0], 101.0),  # nobody else
        ([98.0, 0.0], 131.0),
        ([98.0, 160.0], 162.0),
        ([98.0, 0.0, 105.0], 131.0),
    ],
)
def test_other_jobs_of_a_stuck_process_keep_their_limits(deadlines: list[float], expected: float) -> None:
    """Given a stuck job beside others, then the process is killed when the last of them must have ended; stop_timeout without a limit."""
    running = [_running(number, deadline) for number, deadline in enumerate(deadlines)]
    assert leave_until(running, 100.0, 30.0) == expected


def test_failing_starts_wait_longer_and_longer() -> None:
    """Given children in a row that can't start, then the next attempt comes after 1 s, 2 s, 4 s, at most half a minute."""
    assert [start_pause(failures) for failures in (0, 1, 2, 3, 5, 6, 50)] == [0, 1, 2, 4, 16, 30, 30]
