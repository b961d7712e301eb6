"""The due times of channels and services: a heap, so that those without due work cost nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

__all__ = ["Schedule"]

T = TypeVar("T")


class Schedule(Generic[T]):
    """Objects, and when each is due."""

    def __init__(self) -> None:
        #: With entries that are out of date: `_due` decides.
        self._heap: list[tuple[float, int, T]] = []
        self._due: dict[T, float] = {}
        self._numbers = count()

    def put(self, one: T, due: float) -> None:
        """Set when something is due."""
        if self._due.get(one) != due:
            self._due[one] = due
            heappush(self._heap, (due, next(self._numbers), one))

    def keep(self, ones: Iterable[T]) -> None:
        """Remove everything else."""
        kept = set(ones)
        self._due = {one: due for one, due in self._due.items() if one in kept}

    def next_due(self) -> float:
        """Return when the first of them is due."""
        self._discard()
        return self._heap[0][0] if self._heap else math.inf

    def take(self, now: float) -> list[T]:
        """Remove and return all that are due, in this order."""
        taken = []
        while self.next_due() <= now:
            one = heappop(self._heap)[2]
            del self._due[one]
            taken.append(one)
        return taken

    def _discard(self) -> None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
