"""From samples to one line of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

__all__ = ["Figure", "figure", "percentile"]

#: Of fewer samples the 99th percentile is the highest.
_MANY = 100


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement. The numbers are None if it wasn't possible; `note` then has the reason. Few samples have no `p99`."""

    unit: str
    samples: int = 0
    median: float | None = None
    p99: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


def figure(unit: str, samples: Sequence[float]) -> Figure:
    """Sum up samples."""
    ordered = sorted(samples)
    return Figure(
        unit=unit,
        samples=len(ordered),
        median=percentile(ordered, 50),
        p99=percentile(ordered, 99) if len(ordered) >= _MANY else None,
        low=ordered[0],
        high=ordered[-1],
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of the samples (nearest rank). The median of an even number is the mean of the middle two."""
    if percent == 50 and len(ordered) % 2 == 0:
        return (ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
