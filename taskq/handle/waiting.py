"""Waiting for the result of a message."""

from __future__ import annotations

import math
from typing import Any

from taskq.channel import State
from taskq.clock import Timeout, monotonic, seconds_to_wait
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Driver
from taskq.driver.find import Found, find, find_orphan
from taskq.driver.steps import Steps
from taskq.errors import MessageError, NoResult, QueueFull, ResultTimeout, ServerUnavailable
from taskq.handle.own_channel import OwnChannelWait
from taskq.handle.subject import Subject, read_stored
from taskq.handle.unserved import warn_without_worker
from taskq.wire.ending import Ending, ending_of, value_of
from taskq.wire.history import records, verified_records
from taskq.wire.message import Message
from taskq.wire.signing import Signer

__all__ = ["PATIENCE", "SLICE", "ExistenceCheck", "await_result", "how_to_store"]

#: For how many seconds one command blocks in the server: well below a link's timeout.
SLICE = 3.0
#: For how many seconds a wait bears with an unreachable server, if its timeout is not shorter.
PATIENCE = 60.0
_UNSIGNED = "the reason is not signed with this program's secret (TASKQ_SECRET)"
#: The seconds between two checks that the message still exists: at first, and at most. Each check is a search.
_FIRST_PAUSE, _LONGEST_PAUSE = 3.0, 60.0


def await_result(driver: Driver, subject: Subject, timeout: Timeout) -> Steps[Any]:
    """Wait until the job has finished, and return its result.

    Raises:
        ResultError: the job has no result, or none arrived in time.
        ServerUnavailable: the server was unreachable for the whole timeout, or for a minute.
    """
    seconds = seconds_to_wait(timeout)
    if subject.stores_result is False:
        raise NoResult(how_to_store(subject.id))
    deadline = monotonic() + seconds
    existence = ExistenceCheck(driver, subject, stores_result=subject.stores_result)
    backoff = Backoff(patience=PATIENCE, deadline=deadline)
    while True:
        left = deadline - monotonic()
        try:
            raw = yield from _wait_a_slice(driver, subject, existence.slice_of(left))
            backoff.answered()
            ending = read_stored(raw, subject) or (yield from existence.check(is_last=left <= 0))
        except ServerUnavailable as error:
            yield backoff.pause_after(error)
            continue
        if ending is not None:
            yield from existence.end()
            return subject.restore(value_of(ending, subject.id, pickles=subject.pickles), "result")
        if left <= 0:
            raise ResultTimeout(f"no result for message {subject.id} within {seconds:g} s; the job may still finish")


def _wait_a_slice(driver: Driver, subject: Subject, left: float) -> Steps[bytes | None]:
    """Block in the server until the result arrives or the time is up; with 0, read the result once."""
    raw: bytes | None
    if left <= 0:
        raw = yield driver.result(subject.id)
        return raw
    try:
        raw = yield driver.wait_for_result(subject.id, left)
    except QueueFull:  # at its memory limit the server rejects this blocking command
        raw = yield driver.result(subject.id)
        if raw is None:
            yield min(0.2, left)
    return raw


class ExistenceCheck:
    """Periodically checks that an awaited message still exists, so that no caller waits forever."""

    def __init__(self, driver: Driver, subject: Subject, *, stores_result: bool | None) -> None:
        self._driver = driver
        self._subject = subject
        self._stores_result = stores_result
        self._pause = _FIRST_PAUSE
        # For a handle recreated from an id nothing is known: check at once.
        self._due = monotonic() + _FIRST_PAUSE if stores_result else 0.0
        self._missed = 0
        self._own = OwnChannelWait.here(driver, subject)
        self._started = monotonic()
        self._is_endless = False

    def slice_of(self, left: float) -> float:
        """Return for how many of the remaining seconds to block in the server: until the next check at most; 0 if none remain."""
        self._is_endless = left == math.inf
        return max(0.01, min(SLICE, left, self._due - monotonic())) if left > 0 else 0.0

    def check(self, *, is_last: bool) -> Steps[Ending | None]:
        """Check the message if a check is due. Return its final state if it ended without a stored result; None: go on waiting.

        Args:
            is_last: the wait is over. Check now, so that even a short wait ends with the best answer.

        Raises:
            NoResult: the message no longer exists, or its job doesn't store a result.
            ResultTimeout: this is a job, and all jobs of the message's channel wait for messages of that channel.
        """
        if not is_last and monotonic() < self._due:
            if self._own is not None:
                yield from self._own.renew()
            return None
        try:
            ending = yield from self._check()
            if is_last and self._missed == 1:
                yield 0.05  # it may be moving from one state to another, again and again
                ending = yield from self._check()
        except NoResult:
            yield from self.end()
            raise
        return ending

    def end(self) -> Steps[None]:
        """Note that the wait is over, or that the job has begun to yield items."""
        if self._own is not None:
            yield from self._own.end()

    def _check(self) -> Steps[Ending | None]:
        found = yield from find(self._driver, self._subject.id, self._subject.payload)
        self._pause, self._due = min(_LONGEST_PAUSE, self._pause * 2), monotonic() + self._pause
        if found is None:
            # It may have moved past the search, or ended just now: it is missing only if two checks miss it.
            self._missed += 1
            self._due = monotonic() + 0.1
            if self._missed < 2:
                return None
            if (yield from find_orphan(self._driver, self._subject.id)) is not None:
                self._missed, self._due = 0, monotonic() + self._pause
                return None
            if (ending := read_stored((yield self._driver.result(self._subject.id)), self._subject)) is not None:
                return ending
            raise NoResult(_missing(self._subject))
        self._missed = 0
        if found.state in (State.WAITING, State.RESERVED) and monotonic() - self._started > _FIRST_PAUSE * 0.9:
            yield from warn_without_worker(self._driver, self._subject)
        if self._own is not None and self._is_endless:
            yield from self._own.look(found.state)
        if self._stores_result is None:
            self._stores_result = _stores_result(found.message)
            if not self._stores_result:
                raise NoResult(how_to_store(self._subject.id))
        return _ending_of(found, self._subject.signer)


def _ending_of(found: Found, signer: Signer | None) -> Ending | None:
    """Return the final state of a message in failed or timeout: the supervisor stores no result for those that it moves there."""
    if found.state not in (State.FAILED, State.TIMEOUT):
        return None
    message = Message(found.message)
    past = verified_records(message, signer)
    if past:
        return ending_of(past[-1])
    is_unsigned = bool(records(message.history_bytes()))
    return Ending("failed", 0, 0, error=_UNSIGNED if is_unsigned else "the worker crashed in every run")


def _stores_result(raw: bytes) -> bool:
    """Return True if a message asks for its result to be stored. Not verified: this decides only whether to go on waiting."""
    try:
        return bool((Message(raw).body().options or {}).get("result_ttl"))
    except MessageError:
        return False


def how_to_store(message_id: str) -> str:
    """Return the error text for a result that isn't stored."""
    return (
        f"the result of message {message_id} is not stored: "
        "enable it with @queue.job(result_ttl=3600), or for one push with options(result_ttl=3600)"
    )


def _missing(subject: Subject) -> str:
    if subject.stores_result:
        return (
            f"message {subject.id} is not in channel {subject.channel}, and has no result: "
            "it was deleted or flushed, or its result expired (result_ttl)"
        )
    return (
        f"no message or result with the id {subject.id} in channel {subject.channel}: "
        "it finished and its result expired or was not stored, it was deleted, or it is in another channel"
    )
