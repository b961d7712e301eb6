"""The search for a message by its id, in every state, as steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from taskq.channel import State
from taskq.driver.batches import PAGE
from taskq.driver.contract import Driver
from taskq.driver.steps import Steps
from taskq.errors import ServerRefused

__all__ = ["AROUND", "LAST_PAGE", "Found", "find", "find_orphan"]


#: A page of fewer messages is the last. The server shortens a page of large ones to no less.
LAST_PAGE = 8
#: The start of a search around the place of an id.
AROUND = -1
#: In the order in which a message passes through them: one that moves during a search is found later in it.
_PENDING = (State.DELAYED, State.WAITING)
_ASIDE = (State.FAILED, State.TIMEOUT, State.PARKED)


class Found(NamedTuple):
    """A message that was found, and its state."""

    state: State
    message: bytes
    #: The worker process that has reserved it.
    worker: str = ""


def find(driver: Driver, message_id: str, payload: bytes | None = None) -> Steps[Found | None]:
    """Search every state for a message. Return None if it is not stored. With its bytes as pushed, it is found sooner."""
    if payload is not None and (yield driver.position(State.DELAYED, payload)) is not None:
        return Found(State.DELAYED, payload)
    searched, *around = yield driver.find(State.WAITING, message_id, AROUND, PAGE)
    if around:
        return Found(State.WAITING, around[0])
    # Before a long search through waiting, a short one. After it once more, because the message may have been reserved meanwhile.
    if searched < 0 and (found_reserved := (yield from _among_reserved(driver, message_id))):
        return found_reserved
    for state in _PENDING:
        if found := (yield from _look_through(driver, state, message_id)):
            return Found(state, found)
    if found_reserved := (yield from _among_reserved(driver, message_id)):
        return found_reserved
    for state in _ASIDE:
        if found := (yield from _look_through(driver, state, message_id)):
            return Found(state, found)
    return None


def _among_reserved(driver: Driver, message_id: str) -> Steps[Found | None]:
    for name in (yield driver.workers())[::2]:
        worker = name.decode(errors="replace")
        if found := (yield from _look_through(driver, worker, message_id)):
            return Found(State.RESERVED, found, worker)
    return None


def find_orphan(driver: Driver, message_id: str) -> Steps[Found | None]:
    """Search the reserved lists of lost workers for a message that no supervisor has rescued yet.

    This scans all keys of the server. Use it before reporting that a message no longer exists.
    """
    cursor: Any = b"0"
    while True:
        try:
            cursor, keys = yield driver.scan_reserved(cursor)
        except ServerRefused:  # this user may not scan the keys
            return None
        for key in keys:
            worker = driver.keys.worker_of(key)
            if found := (yield from _look_through(driver, worker, message_id)):
                return Found(State.RESERVED, found, worker)
        if not int(cursor):
            return None


def _look_through(driver: Driver, place: State | str, message_id: str) -> Steps[bytes | None]:
    start = 0
    while True:
        seen, *found = yield driver.find(place, message_id, start, PAGE)
        if found:
            message: bytes = found[0]
            return message
        if seen < LAST_PAGE:
            return None
        start += seen
