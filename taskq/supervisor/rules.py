"""The supervisor's decisions as pure functions of numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence

from taskq.scoreboard.state import HARD_GRACE, SLOW_SECONDS, Running

__all__ = [
    "CRASH_LIMIT",
    "CRASH_WINDOW",
    "ZYGOTE_LIMIT",
    "ZYGOTE_WINDOW",
    "beat_seconds",
    "is_helpless",
    "leave_until",
    "must_kill",
    "must_release",
    "overdue",
    "replaced_at_once",
    "respawn_pause",
    "start_pause",
]

#: Extra seconds for a process with several jobs to detect a stuck job itself.
_OWN_TIME = 0.25
#: This many crashes of a channel's children within the window slow down their replacement.
CRASH_LIMIT = 5
CRASH_WINDOW = 10.0
#: The same limit for zygotes, each of which imports the app first.
ZYGOTE_LIMIT = 3
ZYGOTE_WINDOW = 60.0


def beat_seconds(lease: float) -> float:
    """Return the seconds until the next heartbeat: five per lease, spread so that many supervisors don't send at once."""
    return lease / 5 * random.uniform(0.8, 1.0)


def must_release(running_for: float, unstarted: int) -> bool:
    """Return True if prefetched messages wait behind a slow job."""
    return unstarted > 0 and running_for > SLOW_SECONDS


def must_kill(deadline: float, now: float) -> bool:
    """Return True if a job has ignored its deadline (0: none) for the grace period."""
    return deadline > 0 and now > deadline + HARD_GRACE


def overdue(running: Sequence[Running], now: float) -> list[Running]:
    """Return the jobs that have ignored their deadlines for the grace period."""
    return [one for one in running if must_kill(one.deadline, now)]


def is_helpless(late: Sequence[Running], now: float) -> bool:
    """Return True if a process with several jobs must be killed: it should have detected a stuck job itself by now."""
    return any(now > one.deadline + HARD_GRACE + _OWN_TIME for one in late)


def leave_until(running: Sequence[Running], now: float, stop_timeout: float) -> float:
    """Return when to kill a process that leaves because of a stuck job: other jobs get their own limits, or `stop_timeout` without one."""
    others = [one for one in running if not must_kill(one.deadline, now)]
    return max((one.deadline + HARD_GRACE if one.deadline else now + stop_timeout for one in others), default=now) + HARD_GRACE


def replaced_at_once(wanted: int) -> int:
    """Return how many of a channel's children a rolling restart replaces at the same time."""
    return max(1, wanted // 10)


def start_pause(failures: int) -> float:
    """Return the seconds to wait after a number of children in a row that could not start."""
    return min(30.0, 2.0 ** (failures - 1)) if failures else 0.0


def respawn_pause(crashes: list[float], now: float, *, limit: int = CRASH_LIMIT, window: float = CRASH_WINDOW) -> float:
    """Return the seconds to wait before a replacement, given the monotonic times of the recent deaths of children or zygotes."""
    recent = sum(1 for at in crashes if now - at < window)
    return 0.0 if recent <= limit else min(30.0, 2.0 ** (recent - limit - 1))
