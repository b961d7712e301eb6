"""Inspector reports: the message counts and worker activity of a channel."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from taskq.channel import State
from taskq.wire.activity import is_verified_activity, read_activity
from taskq.wire.progress import Progress, read_progress
from taskq.wire.signing import Signer

__all__ = ["ChannelReport", "Counts", "WorkerReport", "read_worker", "with_progress"]


_ID = re.compile("[0-9a-f]{32}")
#: The maximum number of characters of a text in a worker's report.
_TEXT = 500


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The number of messages in each state of one channel."""

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
        """The number of messages in the channel."""
        return sum(self.of(state) for state in State)


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The activity of one worker process as of its last heartbeat. Ages are measured with the server's clock."""

    id: str
    channel: str
    #: "idle", "running", "starting" or "stopping"; "lost" if it sent no heartbeat for a lease.
    state: str
    host: str
    pid: int
    supervisor_pid: int
    #: The running job, its message, and its seconds so far; "" and 0 if idle.
    job: str
    message_id: str
    running_seconds: float
    #: The number of running jobs, and the maximum. `job` and `message_id` are those of the longest-running job.
    running: int
    concurrency: int
    reserved: int
    done: int
    failed: int
    memory_bytes: int
    uptime_seconds: float
    heartbeat_seconds: float
    #: True if a supervisor with the secret (TASKQ_SECRET) wrote this report; None without a secret, and if the report has expired.
    verified: bool | None = None
    #: The last progress that the running job reported.
    progress: Progress | None = None


class ChannelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One channel at one moment."""

    channel: str
    prefix: str
    counts: Counts
    workers: tuple[WorkerReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, as `taskq info --json` prints it."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return {**data, "workers": list(data["workers"])}


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a worker process that don't come from its own report."""

    worker: str
    channel: str
    heartbeat_ms: float
    now_ms: float
    lease_ms: float
    reserved: int


def read_worker(worker: Registration, reply: Sequence[bytes], signer: Signer | None = None) -> WorkerReport:
    """Read a worker's report, a hash that expires: [field, value, ...]. It may have expired already. Verify it if there is a signer."""
    fields = read_activity(reply)
    verified = None if signer is None or not fields else is_verified_activity(worker.worker, fields, signer)
    fields = {name: value[:_TEXT] for name, value in fields.items()}
    age = (worker.now_ms - worker.heartbeat_ms) / 1000
    beat = max(0.0, age)
    since = _number(fields, "since_ms")
    running = bool(fields.get("job")) and since > 0
    # In the future: the server's clock was set back. A living worker soon sends another heartbeat.
    lost = not fields or abs(age) * 1000 > worker.lease_ms
    return WorkerReport(
        id=worker.worker,
        channel=worker.channel,
        state="lost" if lost else fields.get("state", "idle"),
        host=fields.get("host", ""),
        pid=_number(fields, "pid"),
        supervisor_pid=_number(fields, "supervisor"),
        job=fields.get("job", ""),
        message_id=fields.get("message", ""),
        running=_number(fields, "running"),
        concurrency=max(1, _number(fields, "concurrency")),
        running_seconds=max(0.0, (worker.now_ms - since) / 1000) if running else 0.0,
        reserved=worker.reserved,
        done=_number(fields, "done"),
        failed=_number(fields, "failed"),
        memory_bytes=_number(fields, "memory"),
        uptime_seconds=_uptime(worker, fields),
        heartbeat_seconds=beat,
        verified=verified,
    )


def with_progress(
    reports: Sequence[WorkerReport], ask: Callable[[Sequence[str]], Sequence[bytes | None]], signer: Signer | None = None
) -> list[WorkerReport]:
    """Add the progress of the running jobs, with one command for all. With a signer, only verified progress."""
    running = [report.message_id for report in reports if report.job and _ID.fullmatch(report.message_id)]
    found = dict(zip(running, ask(running), strict=True)) if running else {}
    return [
        msgspec.structs.replace(report, progress=read_progress(raw, bytes.fromhex(report.message_id), signer))
        if (raw := found.get(report.message_id))
        else report
        for report in reports
    ]


def _uptime(worker: Registration, fields: Mapping[str, str]) -> float:
    started = _number(fields, "started_ms")
    return max(0.0, (worker.now_ms - started) / 1000) if started else 0.0


def _number(fields: Mapping[str, str], name: str) -> int:
    try:
        return int(float(fields.get(name, "0")))
    except (ValueError, OverflowError):
        return 0
