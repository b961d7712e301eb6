"""NEW FILE"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from taskq.channel import State
from taskq.driver.contract import Driver
from taskq.driver.find import Found, find
from taskq.driver.steps import Steps
from taskq.handle.subject import Subject, ask_ending
from taskq.wire.history import records
from taskq.wire.message import Message
from taskq.wire.progress import Progress, read_progress

__all__ = ["Status", "ask_progress", "ask_status"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message now."""

    #: Where it is, or how it ended. "unknown": it is done and its result isn't kept (any more), or it was deleted, or never pushed.
    state: Literal["waiting", "delayed", "reserved", "running", "parked", "failed", "timeout", "done", "cancelled", "dropped", "unknown"]
    #: The last run that has begun or ended, as far as it is known; the first is 1, and 0 is none.
    attempt: int = 0
    #: The worker that has it or ended it, or who cancelled it.
    by: str = ""
    #: When it ended.
    ended_at: datetime | None = None
    #: Why it failed.
    error: str = ""
    progress: Progress | None = None

    @property
    def is_ended(self) -> bool:
        """True when it won't run any more by itself."""
        return self.state in ("done", "failed", "timeout", "cancelled", "dropped")


def ask_status(driver: Driver, subject: Subject) -> Steps[Status]:
    """Return where the message is, or how it ended."""
    progress = yield from ask_progress(driver, subject)
    for _ in range(2):  # it may end, or move on, between the first look and the search
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
    past = records(message.history_bytes())
    last = past[-1] if past else None
    if found.state is State.RESERVED:
        told = yield driver.describe(found.worker)
        running = dict(zip(told[::2], told[1::2], strict=True)).get(b"message") == subject.id.encode()
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
    """Return what the job last told with `taskq.progress`, or None."""
    (raw,) = yield driver.progress([subject.id])
    return None if raw is None else read_progress(raw)
