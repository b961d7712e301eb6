"""The status of a message: its state, its last run, and its progress."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from taskq.channel import State
from taskq.driver.contract import Driver
from taskq.driver.find import Found, find
from taskq.driver.steps import Steps
from taskq.handle.subject import Subject, ask_ending
from taskq.wire.activity import is_verified_activity, read_activity
from taskq.wire.history import verified_records
from taskq.wire.message import Message
from taskq.wire.progress import Progress, read_progress

__all__ = ["Status", "ask_progress", "ask_status"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of a message's state, returned by `Handle.status()`."""

    #: The current or final state. "unknown": the message finished and its result expired or was not stored, it was deleted, or it was
    #: never pushed. A job that has just started is "reserved" until its worker's next heartbeat.
    state: Literal["waiting", "delayed", "reserved", "running", "parked", "failed", "timeout", "done", "cancelled", "dropped", "unknown"]
    #: The number of the last known attempt; 1 for the first run, 0 before it.
    attempt: int = 0
    #: The worker process that reserved or finished the message, or the user who cancelled it.
    by: str = ""
    #: The time when the message finished, in UTC.
    ended_at: datetime | None = None
    #: The exception of the last failed attempt, as text.
    error: str = ""
    #: The last progress that the job reported.
    progress: Progress | None = None

    @property
    def is_ended(self) -> bool:
        """True if the message won't run again automatically."""
        return self.state in ("done", "failed", "timeout", "cancelled", "dropped")


def ask_status(driver: Driver, subject: Subject) -> Steps[Status]:
    """Return the current or final state of the message."""
    progress = yield from ask_progress(driver, subject)
    for _ in range(2):  # it may finish, or move on, between the first query and the search
        ending = yield from ask_ending(driver, subject)
        if ending is not None:
            ended = datetime.fromtimestamp(ending.at_ms / 1000, UTC)
            return Status(state=ending.kind, attempt=ending.attempt, by=ending.by, ended_at=ended, error=ending.error, progress=progress)
        found = yield from find(driver, subject.id, subject.payload)
        if found is not None:
            return (yield from _status_of(driver, subject, found, progress))
    return Status(state="unknown", progress=progress)


def _status_of(driver: Driver, subject: Subject, found: Found, progress: Progress | None) -> Steps[Status]:
    message = Message(found.message)
    past = verified_records(message, subject.signer)
    last = past[-1] if past else None
    if found.state is State.RESERVED:
        fields = read_activity((yield driver.describe(found.worker)))
        known = subject.signer is None or is_verified_activity(found.worker, fields, subject.signer)
        running = known and fields.get("message") == subject.id
        runs = running or (progress is not None and progress.attempt == message.attempts + 1)
        attempt = message.attempts + (1 if runs else 0)
        return Status(state="running" if runs else "reserved", attempt=attempt, by=found.worker, progress=progress)
    ended = datetime.fromtimestamp(last.at_ms / 1000, UTC) if last and found.state in (State.FAILED, State.TIMEOUT) else None
    return Status(
        state=found.state.value,
        attempt=message.attempts,
        by=last.worker if last else "",
        ended_at=ended,
        error=last.error if last else "",
        progress=progress,
    )


def ask_progress(driver: Driver, subject: Subject) -> Steps[Progress | None]:
    """Return the progress that the job last reported, or None."""
    (raw,) = yield driver.progress([subject.id])
    return None if raw is None else read_progress(raw, bytes.fromhex(subject.id), subject.signer)
