"""Read a state page by page, oldest first, while workers and other operators change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from taskq.channel import State
from taskq.driver.contract import Command, Driver

__all__ = ["Call", "Item", "Walk"]

Call = Callable[[Command], Any]

_FIRST = 8
_MOST = 1000
#: The approximate maximum size of a page: messages have from a hundred bytes to many megabytes.
_PAGE_BYTES = 4 << 20


class Item(NamedTuple):
    """One stored message. In a sorted state, the server sorts items in the order of these tuples."""

    #: The time when it is due or moved to the state, in milliseconds since the epoch. 0 in waiting.
    score: float
    raw: bytes


class Walk:
    """A position in a state. It is stored as the last item read, because indexes shift when others remove messages."""

    def __init__(self, call: Call, driver: Driver, state: State) -> None:
        self._call = call
        self._driver = driver
        self._state = state
        #: The index of the last item, unless items before it were removed.
        self._position = 0
        self._last: Item | None = None
        self._count = _FIRST
        self._ended = False

    def page(self) -> list[Item]:
        """Return the next items, oldest first, including those added meanwhile; an empty list at the end."""
        while not self._ended:
            asked = self._count
            items = self._read(self._position, asked)
            fresh = self._fresh(items)
            self._count = min(_MOST, asked * 2)
            if fresh is None:
                self._position = max(0, self._position - asked)
                continue
            self._ended = len(items) < asked
            self._position += max(0, len(items) - 1)
            if fresh:
                self._last = fresh[-1]
                self._count = _next_count(items)
                return fresh
        return []

    def removed(self, count: int) -> None:
        """Adjust the position after the reader removed this number of the items it read."""
        self._position = max(0, self._position - count)

    def _read(self, start: int, count: int) -> list[Item]:
        reply = self._call(self._driver.page(self._state, start, count))
        if self._state is State.WAITING:
            return [Item(0.0, raw) for raw in reversed(reply)]
        return [Item(float(score), raw) for raw, score in zip(reply[::2], reply[1::2], strict=True)]

    def _fresh(self, items: list[Item]) -> list[Item] | None:
        """Return the items after the last item, or None if that item must be searched further back."""
        last = self._last
        if last is None:
            return items
        if self._state is State.WAITING:
            if last in items:
                return items[items.index(last) + 1 :]
            return items if self._position == 0 else None
        if self._position and (not items or items[0] > last):
            return None
        return [item for item in items if item > last]


def _next_count(items: list[Item]) -> int:
    mean = sum(len(item.raw) for item in items) // len(items) + 1
    # At least two: the first item of a page is the last one of the page before.
    return max(2, min(_MOST, len(items) * 8, _PAGE_BYTES // mean))
