"""Jobs that wait for a message of their own channel: if the channel runs as many of them as it can, no message can start."""

from __future__ import annotations

import contextlib

from taskq import context as contexts
from taskq.channel import State
from taskq.clock import now_ms
from taskq.driver.contract import Driver
from taskq.driver.steps import Steps
from taskq.errors import QueueFull, ResultTimeout, ServerRefused, ServerUnavailable
from taskq.handle.subject import Subject
from taskq.wire.activity import read_activity
from taskq.wire.message import message_id
from taskq.wire.progress import Progress, pack_progress, read_progress

__all__ = ["OwnChannelWait"]

#: The beginning of the progress that a job reports while it waits. `taskq info` shows it, and other waiting jobs read it.
_MARK = "waits for a message of its own channel: "
_HOUR_MS = 3_600_000
#: How long a mark lives unless it is renewed: longer than a slice of the wait, and shorter than the time between two looks.
_MARK_MS = 5500


class OwnChannelWait:
    """The wait of a job, without a timeout, for a message that has not started.

    The job marks itself in the progress that it reports. A job that finds all jobs of the channel marked raises an error, so that its run
    ends and another message can start. It looks twice: a job whose wait was cancelled leaves its mark, another worker may be about to
    start, and a result may be on its way.
    """

    def __init__(self, driver: Driver, subject: Subject, job_id: str) -> None:
        self._driver, self._subject, self._job_id = driver, subject, job_id
        self._is_marked = False
        #: True if the last look found that all jobs of the channel wait.
        self._is_suspected = False
        self._before: bytes | None = None

    @classmethod
    def here(cls, driver: Driver, subject: Subject) -> OwnChannelWait | None:
        """Return the wait of the running job for a message of its channel; None outside a job, and for another channel."""
        run = contexts.run_if_any()
        context = run.context if run is not None else None
        return cls(driver, subject, context.id) if context is not None and context.channel == subject.channel else None

    def look(self, state: State) -> Steps[None]:
        """Note the state of the awaited message.

        Raises:
            ResultTimeout: the message can't start, because all jobs of the channel wait like this one.
        """
        if state is not State.WAITING:
            yield from self.end()
            return
        try:
            if not self._is_marked:
                self._before = (yield self._driver.progress([self._job_id]))[0]
                self._is_marked = True
            yield self._driver.report_progress(self._job_id, self._mark(), _MARK_MS)
            places = yield from self._count_marked()
        except (ServerRefused, QueueFull):  # without permission or memory for progress, the wait is as long as the caller's
            return
        if places and self._is_suspected:
            yield from self.end()
            channel = self._subject.channel
            raise ResultTimeout(
                f"message {self._subject.id} can't start: all jobs that channel {channel} can run at once ({places}) wait for messages of "
                "this channel. Push such messages to another channel, or call the function instead"
            )
        self._is_suspected = places > 0

    def renew(self) -> Steps[None]:
        """Renew the mark, if there is one: the job is still waiting."""
        if self._is_marked:
            with contextlib.suppress(ServerRefused, QueueFull):
                yield self._driver.report_progress(self._job_id, self._mark(), _MARK_MS)

    def end(self) -> Steps[None]:
        """Remove the mark, if there is one. If that fails, it soon expires."""
        self._is_suspected = False
        if self._is_marked:
            self._is_marked = False
            with contextlib.suppress(ServerRefused, ServerUnavailable, QueueFull):
                yield self._driver.report_progress(self._job_id, self._before or b"", _HOUR_MS if self._before else 1)

    def _mark(self) -> bytes:
        identity, signer = bytes.fromhex(self._job_id), self._subject.signer
        before = read_progress(self._before, identity, signer) if self._before else None
        done, total, attempt = (before.done, before.total, before.attempt) if before else (0.0, None, 1)
        return pack_progress(Progress(done, total, _MARK + self._subject.id, now_ms(), attempt), identity, signer)

    def _count_marked(self) -> Steps[int]:
        """Return the number of jobs that the channel can run at once if all of them are running and marked; otherwise 0."""
        places = 0
        for name in (yield self._driver.workers())[::2]:
            worker = name.decode(errors="replace")
            room = int(read_activity((yield self._driver.describe(worker))).get("concurrency", "0"))
            ids = [message_id(raw) for raw in (yield self._driver.holdings(worker))]
            if not 0 < room <= len(ids):
                return 0
            marks = yield self._driver.progress([identity.hex() for identity in ids])
            if not all(self._is_mark(raw, identity) for raw, identity in zip(marks, ids, strict=True)):
                return 0
            places += room
        return places

    def _is_mark(self, raw: bytes | None, identity: bytes) -> bool:
        found = read_progress(raw, identity, self._subject.signer) if raw else None
        return found is not None and found.message.startswith(_MARK)
