"""Sees without a zygote's word what has become of its children, and of itself: a zygote may stand still.

It was stopped (SIGSTOP), or a hook that the app runs at every fork waits for ever: then no death is reported, and no child comes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from taskq.supervisor.processes.child import Child
from taskq.supervisor.processes.generation import Generation

__all__ = ["ANSWER_SECONDS", "Liveness", "has_exited"]

_LOOK = 1.0
#: How long a zygote gets to report a death that is seen.
_REPORT_SECONDS = 1.0
#: How long a zygote gets to fork a child.
ANSWER_SECONDS = 10.0


class Liveness:
    """Looks once a second."""

    def __init__(self) -> None:
        self._due = self._looked = 0.0
        #: Dead workers of which no zygote has told, and since when that is seen.
        self._seen: dict[str, float] = {}

    def is_due(self, now: float) -> bool:
        return now >= self._due

    def look(self, children: Sequence[Child], zygotes: Sequence[Generation], now: float) -> tuple[list[Child], list[Generation]]:
        """Return the children whose deaths nobody reports, and the zygotes that fork no more."""
        # What this supervisor itself has slept through says nothing: the answer may lie there since then.
        passed = min(now - self._looked, 2 * _LOOK)
        self._due, self._looked = now + _LOOK, now
        self._seen = {child.worker: self._seen.get(child.worker, now) for child in children if child.pid and has_exited(child.pid)}
        for zygote in zygotes:
            zygote.silent = zygote.silent + passed if zygote.unanswered else 0.0
        dead = [child for child in children if now - self._seen.get(child.worker, now) >= _REPORT_SECONDS]
        return dead, [zygote for zygote in zygotes if zygote.silent > ANSWER_SECONDS]


def has_exited(pid: int) -> bool:
    """True when a process has ended, whether its parent has collected it or not (the latter can be seen on Linux only)."""
    try:
        # After the name, which may hold anything: its state.
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
