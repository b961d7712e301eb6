"""What a handle asks: how its message ended, where it is, how far it is. As steps, for sync and async callers alike (see `asking`)."""

from __future__ import annotations

from typing import Any

from taskq.channel import State
from taskq.clock import Timeout, monotonic, seconds_to_wait
from taskq.driver.contract import Driver
from taskq.driver.find import Found, find, find_orphan
from taskq.driver.steps import Patient, Steps
from taskq.errors import MessageError, NoResult, QueueFull, ResultTimeout, ServerUnavailable
from taskq.handle.subject import Subject, read_stored
from taskq.wire.ending import Ending, ending_of, value_of
from taskq.wire.history import records
from taskq.wire.message import Message

__all__ = ["SLICE", "Lookout", "await_result", "how_to_keep"]

#: How long to block in the server at once: well below a link's timeout.
SLICE = 3.0
#: How long until it is looked whether the message still exists: at first, and at most. It takes a search.
_FIRST_LOOK, _LONGEST_LOOK = 3.0, 60.0


def await_result(driver: Driver, subject: Subject, timeout: Timeout) -> Steps[Any]:
    """Wait until the message has ended, and return what its job returned.

    Raises:
        ResultError: there is no result, or not in time.
        ServerUnavailable: the server doesn't answer for the whole timeout, or a minute.
    """
    seconds = seconds_to_wait(timeout)
    if subject.keeps is False:
        raise NoResult(how_to_keep(subject.id))
    deadline = monotonic() + seconds
    watch = Lookout(driver, subject, keeps=subject.keeps)
    patient = Patient(deadline)
    while True:
        left = deadline - monotonic()
        try:
            raw = yield from _next_look(driver, subject, watch.slice_of(left))
            patient.answered()
            ending = read_stored(raw, subject) or (yield from watch.look(is_last=left <= 0))
        except ServerUnavailable as error:
            yield patient.pause_after(error)
            continue
        if ending is not None:
            return value_of(ending, subject.id)
        if left <= 0:
            raise ResultTimeout(f"message {subject.id} has no result after {seconds:g} s; it may come later")


def _next_look(driver: Driver, subject: Subject, left: float) -> Steps[bytes | None]:
    """Sleep in the server until the result is there, or the time is over; 0: only look."""
    raw: bytes | None
    if left <= 0:
        raw = yield driver.result(subject.id)
        return raw
    try:
        raw = yield driver.wait_for_result(subject.id, left)
    except QueueFull:  # at its memory limit the server lets nobody block like that
        raw = yield driver.result(subject.id)
        if raw is None:
            yield min(0.2, left)
    return raw


class Lookout:
    """Looks now and then whether a message that somebody waits for still exists: nobody shall wait for what can't come."""

    def __init__(self, driver: Driver, subject: Subject, *, keeps: bool | None) -> None:
        self._driver = driver
        self._subject = subject
        self._keeps = keeps
        self._pause = _FIRST_LOOK
        # Of a handle made from an id nothing is known: look at once.
        self._due = monotonic() + _FIRST_LOOK if keeps else 0.0
        self._missed = 0

    def slice_of(self, left: float) -> float:
        """How many of the seconds that are left to block in the server: until the next look at most. 0: no time is left."""
        return max(0.01, min(SLICE, left, self._due - monotonic())) if left > 0 else 0.0

    def look(self, *, is_last: bool) -> Steps[Ending | None]:
        """Look, when it is time for that. Returns how the message ended without a result of its own; None: go on waiting.

        Args:
            is_last: the wait is over. Whoever waited too briefly for a look in between shall learn now what there is to know.

        Raises:
            NoResult: it is nowhere, or keeps no result.
        """
        if not is_last and monotonic() < self._due:
            return None
        ending = yield from self._look()
        if is_last and self._missed == 1:
            yield 0.05  # it may be on its way from one state to another, and that again and again
            ending = yield from self._look()
        return ending

    def _look(self) -> Steps[Ending | None]:
        found = yield from find(self._driver, self._subject.id, self._subject.payload)
        self._pause, self._due = min(_LONGEST_LOOK, self._pause * 2), monotonic() + self._pause
        if found is None:
            # It may have moved past the search, or ended just now: only what is missed twice is gone.
            self._missed += 1
            self._due = monotonic() + 0.1
            if self._missed < 2:
                return None
            if (yield from find_orphan(self._driver, self._subject.id)) is not None:
                self._missed, self._due = 0, monotonic() + self._pause
                return None
            if (ending := read_stored((yield self._driver.result(self._subject.id)), self._subject)) is not None:
                return ending
            raise NoResult(_gone(self._subject))
        self._missed = 0
        if self._keeps is None:
            self._keeps = _keeps(found.message)
            if not self._keeps:
                raise NoResult(how_to_keep(self._subject.id))
        return _aside(found)


def _aside(found: Found) -> Ending | None:
    """How a message ended that lies in failed or timeout: what the supervisor puts there has no result."""
    if found.state not in (State.FAILED, State.TIMEOUT):
        return None
    past = records(Message(found.message).history_bytes())
    return ending_of(past[-1]) if past else Ending("failed", 0, 0, error="the worker died in every run")


def _keeps(raw: bytes) -> bool:
    """Whether a message says that its result is kept. Not verified: it decides only whether to go on waiting."""
    try:
        return bool((Message(raw).body().options or {}).get("result_ttl"))
    except MessageError:
        return False


def how_to_keep(message_id: str) -> str:
    """Say how a result is kept."""
    return f"the result of message {message_id} isn't kept: write @queue.job(result_ttl=3600), or push with options(result_ttl=3600)"


def _gone(subject: Subject) -> str:
    if subject.keeps:
        return (
            f"message {subject.id} is nowhere in channel {subject.channel}, and no result of it: "
            "it was deleted or flushed, or its result_ttl is over"
        )
    return (
        f"no message and no result has the id {subject.id} in channel {subject.channel}: "
        "it is done and its result isn't kept (any more), it was deleted, or it was pushed elsewhere"
    )
