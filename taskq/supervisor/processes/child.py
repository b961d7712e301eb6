"""A worker process, as the supervisor sees it: its identity, state and signals, and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Literal

from taskq.clock import now_ms
from taskq.driver.contract import StoredEnding
from taskq.scoreboard.slot import Slot
from taskq.wire.signing import Signer

__all__ = ["Child", "Death"]

_WITH_ZYGOTE = "ended with its zygote"


class Death:
    """The end of a process."""

    __slots__ = ("maxrss", "status", "unknown")

    def __init__(self, status: int | None, maxrss: int = 0, unknown: str = _WITH_ZYGOTE) -> None:
        #: Exit code, or minus the signal's number; None if unknown.
        self.status = status
        self.maxrss = maxrss
        #: The text for an unknown exit status.
        self.unknown = unknown

    @property
    def is_with_zygote(self) -> bool:
        """True if its zygote died, and this process with it."""
        return self.status is None and self.unknown == _WITH_ZYGOTE

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
    """One worker process. It has no process id until its zygote has forked it."""

    def __init__(self, slot_index: int, worker: str, channel: str, slot: Slot, zygote: int, *, signer: Signer | None = None) -> None:
        #: The index of its slot in the scoreboard.
        self.slot_index = slot_index
        self.worker = worker
        self.channel = channel
        self.slot = slot
        #: The number of the zygote that forked it.
        self.zygote = zygote
        #: Signs the records of its jobs.
        self.signer = signer
        self.pid: int | None = None
        self.started_ms = now_ms()
        self.registered = False
        self.mismatches = 0
        #: Monotonic time of the last good heartbeat.
        self.last_beat = 0.0
        #: When to kill it if it has not exited; None: it was not asked to stop.
        self.kill_at: float | None = None
        #: When a stop becomes a kill, for the log.
        self.stop_cause = "at stop_timeout"
        #: Why the supervisor killed it, if it did.
        self.killed_for: Literal["stop", "timeout", "cancel"] | None = None
        #: True if it no longer reserves, and another process may replace it.
        self.leaving = False
        #: The messages that ignored their time limit when it was killed.
        self.overdue: set[bytes] = set()
        #: The cancelled runs that it was killed for (id, start), and the final states of their messages to store.
        self.cancelled: dict[tuple[bytes, float], StoredEnding] = {}
        #: The start (monotonic) of the job that was running when its finished messages were last settled.
        self.settled_behind = 0.0
        self._is_stopping = False

    def ask_to_stop(self, kill_at: float) -> None:
        """Ask it to stop after the running job; kill it at `kill_at` (monotonic)."""
        if not self._is_stopping:
            self._is_stopping = True
            self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)
            self._signal(signal.SIGTERM)

    def ask_again(self) -> None:
        """Ask it to stop, now that it has a process."""
        self._signal(signal.SIGTERM)

    def leave(self, kill_at: float) -> None:
        """Let another process replace it: it no longer reserves. Kill it at `kill_at` if it has not exited by then."""
        self.leaving = True
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def kill(self, why: Literal["stop", "timeout", "cancel"]) -> None:
        """Kill it and the processes that its jobs started. A child without a process must be killed again once it has one."""
        if self.pid is None:
            return
        if self.killed_for is None:
            self.killed_for = why
        self._signal(signal.SIGKILL, group=True)

    def interrupt(self) -> None:
        """Send the cancel signal: it reads its cancel notice."""
        self._signal(signal.SIGUSR2)

    def end_leftovers(self) -> None:
        """Kill the processes that its jobs left behind, except for those in another process group."""
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
