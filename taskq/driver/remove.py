"""The removal of a pending message, as steps: a long waiting list is searched page by page."""

from __future__ import annotations

from collections.abc import Callable

from taskq.channel import State
from taskq.driver.contract import Command, Driver, StoredEnding
from taskq.driver.find import AROUND
from taskq.driver.steps import Steps

__all__ = ["cancel", "withdraw"]

#: Of this number of messages, one is searched twice.
_OVERLAP = 50


def withdraw(driver: Driver, message: bytes) -> Steps[bool]:
    """Remove a message that is delayed or waiting, by its stored bytes. Return False if it is in neither."""
    return (yield from _remove(lambda start: driver.withdraw(message, start)))


def cancel(driver: Driver, state: State, message: bytes, ending: StoredEnding) -> Steps[bool]:
    """Remove a message from a state, by its stored bytes, and store its final state. Return False if it isn't there."""
    return (yield from _remove(lambda start: driver.cancel(state, message, ending, start)))


def _remove(command: Callable[[int], Command]) -> Steps[bool]:
    removed = yield command(AROUND)
    start = 0
    while removed < 0:
        # Newest first: messages that arrive meanwhile shift the others to later pages, so none is missed. Removals meanwhile shift them
        # back, so pages overlap.
        removed = yield command(start)
        start -= removed + max(1, -removed // _OVERLAP)
    return bool(removed)
