"""The vocabulary of a slot, shared by worker processes and their supervisor."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

__all__ = ["CANT_START", "HARD_GRACE", "LANE_LIMIT", "LATE_SECONDS", "SLOW_SECONDS", "Lock", "Phase", "Running", "block_seconds"]

#: Seconds after its deadline that a job may continue before its process is killed.
HARD_GRACE = 1.0
#: Prefetched messages that are not started within this time are released.
SLOW_SECONDS = 0.05
#: Results that a running job holds up for this time are stored by the supervisor.
LATE_SECONDS = 0.01
#: Exit code of a process whose on_start hook or lifespan raised.
CANT_START = 75
#: The maximum number of concurrent jobs of one process.
LANE_LIMIT = 1000


class Lock(Protocol):
    """A lock between processes."""

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool: ...

    def release(self) -> None: ...


class Phase(IntEnum):
    """The phase of a worker process."""

    STARTING = 0
    IDLE = 1
    RUNNING = 2
    STOPPING = 3
    #: It no longer reserves, and ends when its jobs have finished. Another process may take its place at once.
    LEAVING = 4


class Running(NamedTuple):
    """A running job."""

    id: bytes
    job: str
    attempt: int
    started: float
    since_ms: int
    deadline: float
    retry_ms: int


def block_seconds(lease: float) -> float:
    """Return how long to block in the server: well below the lease, so that a forgotten blocking command can't reserve a message."""
    return min(5.0, lease / 3)
