"""Batches and pages of bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["PAGE", "batches"]

T = TypeVar("T")
#: The number of messages searched in one call: a few tenths of a millisecond of the server's time.
PAGE = 1000


def batches(items: Sequence[T], sizes: Sequence[int], *, count: int = 500, limit: int = 8 << 20) -> list[Sequence[T]]:
    """Cut items into batches of at most `count` items and about `limit` bytes: one request must not block the server for long."""
    cut: list[Sequence[T]] = []
    start, weight = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start >= count or weight + size > limit):
            cut.append(items[start:index])
            start, weight = index, 0
        weight += size
    if start < len(items):
        cut.append(items[start:])
    return cut
