"""Processes: how they are forked, how they die, and what is known of each."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Literal

from taskq.clock import now_ms
from taskq.driver.contract import StoredEnding
from taskq.scoreboard.slot import Slot

__all__ = ["Child", "Death"]


class Death:
    """How a process ended."""

    __slots__ = ("maxrss", "status", "unknown")

    def __init__(self, status: int | None, maxrss: int = 0, unknown: str = "ended with its zygote") -> None:
        #: Exit code, minus the signal's number, or None when nobody knows.
        self.status = status
        self.maxrss = maxrss
        #: What is said when nobody knows.
        self.unknown = unknown

    def __str__(self) -> str:
        if self.status is None:
            return self.unknown
        if self.status >= 0:
            return f"exited with code {self.status}"
        try:
            name = signal.Signals(-self.status).name
        except ValueError:
            name = "unknown signal"
        return f"was killed by {name} (signal {-self.status})"


class Child:
    """What the supervisor knows of one worker process."""

    def __init__(self, place: int, worker: str, channel: str, slot: Slot, zygote: int) -> None:
        self.place = place
        self.worker = worker
        self.channel = channel
        self.slot = slot
        #: Which zygote forked it.
        self.zygote = zygote
        self.pid: int | None = None
        self.started_ms = now_ms()
        self.registered = False
        self.mismatches = 0
        #: Monotonic time of the last good heartbeat.
        self.last_beat = 0.0
        #: When it is killed if it hasn't ended by then; None: it isn't asked to stop.
        self.kill_at: float | None = None
        #: Why it was killed by the supervisor, if it was.
        self.killed_for: Literal["stop", "timeout", "cancel"] | None = None
        #: True when it reserves no more, and another may take its place.
        self.leaving = False
        #: The messages that were running too long when it was killed.
        self.overdue: set[bytes] = set()
        #: The messages that were cancelled when it was killed for that, and what is kept of them.
        self.cancelled: dict[bytes, StoredEnding] = {}
        self._is_stopping = False

    def ask_to_stop(self, kill_at: float) -> None:
        """Tell it to end after the running job; it is killed at `kill_at` (monotonic)."""
        if not self._is_stopping:
            self._is_stopping = True
            self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)
            self._signal(signal.SIGTERM)

    def ask_again(self) -> None:
        """Tell it to end, now that it has a process."""
        self._signal(signal.SIGTERM)

    def leave(self, kill_at: float) -> None:
        """Let another take its place: it reserves no more, and is killed at `kill_at` if it hasn't ended by then."""
        self.leaving = True
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def kill(self, why: Literal["stop", "timeout", "cancel"]) -> None:
        """Kill it, and what its jobs have started. One that has no process yet must be killed again when it has."""
        if self.pid is None:
            return
        if self.killed_for is None:
            self.killed_for = why
        self._signal(signal.SIGKILL, group=True)

    def interrupt(self) -> None:
        """Let it look who has cancelled its job."""
        self._signal(signal.SIGUSR2)

    def end_leftovers(self) -> None:
        """Kill what its jobs have started and left behind, unless that has a process group of its own."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: int, *, group: bool = False) -> None:
        if self.pid is None:
            return
        if group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
