"""The supervisor's decisions as pure functions: given numbers, what follows."""

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
    "must_take_back",
    "overdue",
    "respawn_pause",
    "start_pause",
]

#: How much longer a process with several jobs gets to find out for itself that one of them is stuck.
_OWN_TIME = 0.25
#: So many crashes of a channel's children within the window slow down their replacement.
CRASH_LIMIT = 5
CRASH_WINDOW = 10.0
#: The same for zygotes, of which each first loads the app.
ZYGOTE_LIMIT = 3
ZYGOTE_WINDOW = 60.0


def beat_seconds(lease: float) -> float:
    """How long until the next heartbeat: five in a lease, spread so that many supervisors don't beat at once."""
    return lease / 5 * random.uniform(0.8, 1.0)


def must_take_back(running_for: float, unstarted: int) -> bool:
    """True when messages wait behind a job that is unexpectedly slow."""
    return unstarted > 0 and running_for > SLOW_SECONDS


def must_kill(deadline: float, now: float) -> bool:
    """True when a job with a deadline (0: none) has ignored it for the grace."""
    return deadline > 0 and now > deadline + HARD_GRACE


def overdue(running: Sequence[Running], now: float) -> list[Running]:
    """Return the jobs that have ignored their deadlines for the grace."""
    return [one for one in running if must_kill(one.deadline, now)]


def is_helpless(late: Sequence[Running], now: float) -> bool:
    """True when a process with several jobs should have seen by now that one is stuck: it can't, and must be killed."""
    return any(now > one.deadline + HARD_GRACE + _OWN_TIME for one in late)


def leave_until(running: Sequence[Running], now: float, stop_timeout: float) -> float:
    """When a process that leaves because a job is stuck is killed: the others get their own limits, and without one `stop_timeout`."""
    others = [one for one in running if not must_kill(one.deadline, now)]
    return max((one.deadline + HARD_GRACE if one.deadline else now + stop_timeout for one in others), default=now) + HARD_GRACE


def start_pause(failures: int) -> float:
    """Seconds to wait after so many children in a row that couldn't start."""
    return min(30.0, 2.0 ** (failures - 1)) if failures else 0.0


def respawn_pause(crashes: list[float], now: float, *, limit: int = CRASH_LIMIT, window: float = CRASH_WINDOW) -> float:
    """Seconds to wait before what died is replaced, given the monotonic times of such deaths, of a channel's children, or of zygotes."""
    recent = sum(1 for at in crashes if now - at < window)
    return 0.0 if recent <= limit else min(30.0, 2.0 ** (recent - limit - 1))
