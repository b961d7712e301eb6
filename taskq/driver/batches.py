"""Batches and pages of bounded size."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

__all__ = ["PAGE", "batches"]

T = TypeVar("T")
#: The number of messages searched in one call: a few tenths of a millisecond of the server's time.
PAGE = 1000


def batches(items: Sequence[T], sizes: Sequence[int], *, count: int = 500, limit: int = 8 << 20) -> list[Sequence[T]]:
    """Cut items into batches of at most `count` items and about `limit` bytes: one request must not block the server for long."""
    cut: list[Sequence[T]] = []
    start = 0
    while start < len(items):
        weights = sizes[start : start + count]
        if sum(weights) > limit:
            weights = weights[: max(1, bisect_right(list(accumulate(weights)), limit))]
        cut.append(items[start : start + len(weights)])
        start += len(weights)
    return cut
