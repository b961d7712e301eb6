"""What the read side tells of a channel: how many messages are where, and what its workers are doing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from taskq.channel import State
from taskq.wire.progress import Progress, read_progress

__all__ = ["ChannelReport", "Counts", "WorkerReport", "read_worker", "with_progress"]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages are in each state of one channel."""

    waiting: int = 0
    reserved: int = 0
    delayed: int = 0
    failed: int = 0
    timeout: int = 0
    parked: int = 0

    def of(self, state: State) -> int:
        """Return the number of one state."""
        number: int = getattr(self, state.value)
        return number

    @property
    def total(self) -> int:
        """All messages of the channel."""
        return sum(self.of(state) for state in State)


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one process that runs jobs has told with its last heartbeat. Ages are measured by the server's clock."""

    id: str
    channel: str
    #: "idle", "running", "starting" or "stopping"; "lost" when its heartbeats have ended.
    state: str
    host: str
    pid: int
    supervisor_pid: int
    #: What runs, and for how many seconds; "" and 0 when it is idle.
    job: str
    message_id: str
    running_seconds: float
    #: How many jobs run, of so many at most. `job` and `message_id` are those of the one that has run longest.
    running: int
    concurrency: int
    reserved: int
    done: int
    failed: int
    memory_bytes: int
    uptime_seconds: float
    heartbeat_seconds: float
    #: How far the running job says that it is.
    progress: Progress | None = None


class ChannelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One channel at one moment."""

    channel: str
    prefix: str
    counts: Counts
    workers: tuple[WorkerReport, ...]

    def data(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of a worker beside its own words."""

    worker: str
    channel: str
    heartbeat_ms: float
    now_ms: float
    lease_ms: float
    reserved: int


def read_worker(seen: Seen, reply: Sequence[bytes]) -> WorkerReport:
    """Read the short-lived hash of a worker, [field, value, ...]; it may have ended already."""
    told = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in zip(reply[::2], reply[1::2], strict=True)}
    beat = max(0.0, (seen.now_ms - seen.heartbeat_ms) / 1000)
    since = _number(told, "since_ms")
    running = bool(told.get("job")) and since > 0
    lost = not told or beat * 1000 > seen.lease_ms
    return WorkerReport(
        id=seen.worker,
        channel=seen.channel,
        state="lost" if lost else told.get("state", "idle"),
        host=told.get("host", ""),
        pid=_number(told, "pid"),
        supervisor_pid=_number(told, "supervisor"),
        job=told.get("job", ""),
        message_id=told.get("message", ""),
        running=_number(told, "running"),
        concurrency=max(1, _number(told, "concurrency")),
        running_seconds=max(0.0, (seen.now_ms - since) / 1000) if running else 0.0,
        reserved=seen.reserved,
        done=_number(told, "done"),
        failed=_number(told, "failed"),
        memory_bytes=_number(told, "memory"),
        uptime_seconds=_uptime(seen, told),
        heartbeat_seconds=beat,
    )


def with_progress(reports: Sequence[WorkerReport], ask: Callable[[Sequence[str]], Sequence[bytes | None]]) -> list[WorkerReport]:
    """Add to what runs how far it says that it is, in one question for all."""
    running = [report.message_id for report in reports if report.job and report.message_id]
    told = dict(zip(running, ask(running), strict=True)) if running else {}
    return [
        msgspec.structs.replace(report, progress=read_progress(raw)) if (raw := told.get(report.message_id)) else report
        for report in reports
    ]


def _uptime(seen: Seen, told: Mapping[str, str]) -> float:
    started = _number(told, "started_ms")
    return max(0.0, (seen.now_ms - started) / 1000) if started else 0.0


def _number(told: Mapping[str, str], name: str) -> int:
    try:
        return int(float(told.get(name, "0")))
    except (ValueError, OverflowError):
        return 0
