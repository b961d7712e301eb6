"""The supervisor's decisions as numbers."""

from __future__ import annotations

import pytest

from taskq.supervisor.rules import CRASH_LIMIT, beat_seconds, must_kill, must_take_back, respawn_pause


def test_five_heartbeats_fit_into_a_lease() -> None:
    """Given a lease, then heartbeats are a fifth of it apart or less, and not all the same."""
    beats = {beat_seconds(15.0) for _ in range(50)}
    assert all(2.4 <= beat <= 3.0 for beat in beats)
    assert len(beats) > 10


@pytest.mark.parametrize(
    ("running_for", "unstarted", "expected"), [(0.01, 5, False), (0.06, 5, True), (0.06, 0, False), (3600.0, 1, True), (0.0, 0, False)]
)
def test_what_lies_behind_a_slow_job_is_taken_back(running_for: float, unstarted: int, expected: bool) -> None:
    """Given a running job and messages behind it, then they are taken back after 50 ms."""
    assert must_take_back(running_for, unstarted) is expected


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
