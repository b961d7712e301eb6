"""Detects exited children and a hung zygote without relying on the zygote's reports.

A zygote may be stopped (SIGSTOP), or block in a fork hook of the app: then it reports no exit and forks no child.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from taskq.supervisor.processes.child import Child
from taskq.supervisor.processes.generation import Generation

__all__ = ["ANSWER_SECONDS", "Liveness", "has_exited"]

_LOOK = 1.0
#: Seconds that a zygote gets to report an exit that was seen.
_REPORT_SECONDS = 1.0
#: Seconds that a zygote gets to fork a child.
ANSWER_SECONDS = 10.0


class Liveness:
    """Checks the children and zygotes once a second."""

    def __init__(self) -> None:
        self._due = self._looked = 0.0
        #: Exited worker processes that no zygote has reported, and since when.
        self._seen: dict[str, float] = {}

    def is_due(self, now: float) -> bool:
        return now >= self._due

    def look(self, children: Sequence[Child], zygotes: Sequence[Generation], now: float) -> tuple[list[Child], list[Generation]]:
        """Return the children whose exit was not reported, and the zygotes that don't fork."""
        # Time that the supervisor itself was stopped doesn't count: the answer may have arrived since.
        passed = min(now - self._looked, 2 * _LOOK)
        self._due, self._looked = now + _LOOK, now
        self._seen = {child.worker: self._seen.get(child.worker, now) for child in children if child.pid and has_exited(child.pid)}
        for zygote in zygotes:
            zygote.silent = zygote.silent + passed if zygote.unanswered else 0.0
        dead = [child for child in children if now - self._seen.get(child.worker, now) >= _REPORT_SECONDS]
        return dead, [zygote for zygote in zygotes if zygote.silent > ANSWER_SECONDS]


def has_exited(pid: int) -> bool:
    """Return True if a process has exited, reaped or not (the latter is visible on Linux only)."""
    try:
        # The state follows the name, which may contain anything.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
