"""The supervisor's decisions as pure functions: given numbers, what follows."""

from __future__ import annotations

import random

__all__ = ["CRASH_LIMIT", "CRASH_WINDOW", "HARD_GRACE", "SLOW_SECONDS", "beat_seconds", "must_kill", "must_take_back", "respawn_pause"]

#: A job that has run for longer keeps nothing reserved behind it.
SLOW_SECONDS = 0.05
#: How long after its deadline a job may go on before its process is killed.
HARD_GRACE = 1.0
#: So many crashes of a channel's children within the window slow down their replacement.
CRASH_LIMIT = 5
CRASH_WINDOW = 10.0


def beat_seconds(lease: float) -> float:
    """How long until the next heartbeat: five in a lease, spread so that many supervisors don't beat at once."""
    return lease / 5 * random.uniform(0.8, 1.0)


def must_take_back(running_for: float, unstarted: int) -> bool:
    """True when messages wait behind a job that is unexpectedly slow."""
    return unstarted > 0 and running_for > SLOW_SECONDS


def must_kill(deadline: float, now: float) -> bool:
    """True when a job with a deadline (0: none) has ignored it for the grace."""
    return deadline > 0 and now > deadline + HARD_GRACE


def respawn_pause(crashes: list[float], now: float) -> float:
    """Seconds to wait before a dead child is replaced, given the monotonic times of the channel's crashes."""
    recent = sum(1 for at in crashes if now - at < CRASH_WINDOW)
    return 0.0 if recent <= CRASH_LIMIT else min(30.0, 2.0 ** (recent - CRASH_LIMIT - 1))
