"""Cancelling: a message that nobody runs is taken away; whoever runs one is told. As steps (see `asking`)."""

from __future__ import annotations

import getpass
import math
import os
import socket
from enum import Enum

import msgspec

from taskq.channel import State
from taskq.clock import now_ms
from taskq.driver.contract import Driver, StoredEnding
from taskq.driver.find import find
from taskq.driver.steps import Steps
from taskq.errors import ArgumentsError, MessageError
from taskq.handle.subject import Subject, ask_ending
from taskq.wire.ending import Ending, pack_ending
from taskq.wire.message import Message

__all__ = ["CANCELLED_SECONDS", "Cancelled", "Order", "ask_cancel", "check_order", "this_user"]

#: For how long it is kept that a message was cancelled whose result isn't.
CANCELLED_SECONDS = 86400.0
BY_LIMIT = 120
#: A message that is always somewhere else is being retried in a tight loop; one order will be met by its next run.
_TRIES = 20


class Cancelled(str, Enum):
    """The effect of a cancel request on its message.

    - `NOW`: the message was removed, and never runs (again).
    - `REQUESTED`: the job is running, and its worker was asked to interrupt it. `handle.status()` returns the final state.
      `ASKED` is the old name of the same member.
    - `TOO_LATE`: the message had already finished, or does not exist.
    """

    NOW = "now"
    REQUESTED = "asked"
    ASKED = REQUESTED
    TOO_LATE = "too late"


class Order(msgspec.Struct, array_like=True, frozen=True):
    """What the supervisor of a worker is asked to do."""

    by: str
    kill: bool
    at_ms: int
    #: How the message has ended then, ready to be kept.
    data: bytes
    ttl_ms: int

    @property
    def kept(self) -> StoredEnding:
        """What the settling move keeps."""
        return StoredEnding(self.data, self.ttl_ms)


def ask_cancel(driver: Driver, subject: Subject, by: str, *, kill: bool) -> Steps[Cancelled]:
    """Cancel a message wherever it is. What has ended before stays as it ended."""
    missed = 0
    for _ in range(_TRIES):
        if (yield from ask_ending(driver, subject)) is not None:
            return Cancelled.TOO_LATE
        found = yield from find(driver, subject.id, subject.payload)
        if found is None:  # it may have moved past the search
            missed += 1
            if missed == 2:
                return Cancelled.TOO_LATE
            continue
        if found.state in (State.FAILED, State.TIMEOUT):
            return Cancelled.TOO_LATE
        order = _order(found.message, subject, by[:BY_LIMIT], kill=kill)
        if found.state is State.RESERVED:
            if (yield driver.order(found.worker, subject.id, msgspec.msgpack.encode(order))):
                return Cancelled.REQUESTED
        elif (yield driver.cancel(found.state, found.message, order.kept)):
            return Cancelled.NOW
    return Cancelled.REQUESTED


def check_order(by: object, kill: object) -> str:
    """Return who cancels; by default this user.

    Raises:
        ArgumentsError: `by` is no text, or `kill` neither True nor False.
    """
    if by is not None and not isinstance(by, str):
        raise ArgumentsError(f"by is who cancels, as text, not {by!r}")
    if not isinstance(kill, bool):
        raise ArgumentsError(f"kill must be True or False, not {kill!r}")
    return by or this_user()


def _order(raw: bytes, subject: Subject, by: str, *, kill: bool) -> Order:
    message = Message(raw)
    try:
        ttl = float((message.body().options or {}).get("result_ttl") or CANCELLED_SECONDS)
    except (MessageError, TypeError, ValueError):
        ttl = CANCELLED_SECONDS
    now = now_ms()
    ending = Ending("cancelled", now, message.attempts, by)
    return Order(by, kill, now, pack_ending(ending, message.id, subject.signer), math.ceil(ttl * 1000))


def this_user() -> str:
    """Who cancels, when nobody says it: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user is known here: a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
