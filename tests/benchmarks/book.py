"""What was measured: for each measure and each contender one value a round; medians, spread and ratios are made from them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Book", "Span", "percentile"]


class Span(NamedTuple):
    """The median of the rounds, and the extremes."""

    median: float
    low: float
    high: float


class Book:
    """The values of a run."""

    def __init__(self, values: dict[str, dict[str, list[float]]] | None = None) -> None:
        self.values: dict[str, dict[str, list[float]]] = values or {}

    def add(self, measure: str, who: str, value: float) -> None:
        """Write down the value of one round."""
        self.values.setdefault(measure, {}).setdefault(who, []).append(value)

    def who(self, measure: str) -> list[str]:
        """Everyone of whom there is a value, in the order in which they came."""
        return list(self.values.get(measure, {}))

    def span(self, measure: str, who: str) -> Span | None:
        """Median and extremes, None when it wasn't measured."""
        return _span(self.values.get(measure, {}).get(who, []))

    def ratio(self, measure: str, who: str, to: tuple[str, str]) -> Span | None:
        """The same of the ratio to another value of the same round: both then had the same neighbours on the machine."""
        over = self.values.get(measure, {}).get(who, [])
        under = self.values.get(to[0], {}).get(to[1], [])
        return _span([a / b for a, b in zip(over, under, strict=False) if b])

    def difference(self, measure: str, who: str, than: str) -> Span | None:
        """The same of the difference to somebody else's value of the same round."""
        values = self.values.get(measure, {})
        return _span([a - b for a, b in zip(values.get(who, []), values.get(than, []), strict=False)])

    def total(self, measure: str, who: str) -> float:
        """The sum over the rounds."""
        return sum(self.values.get(measure, {}).get(who, []))


def _span(values: list[float]) -> Span | None:
    return Span(statistics.median(values), min(values), max(values)) if values else None


def percentile(values: Iterable[float], part: float) -> float:
    """Return the value that `part` (0 to 1) of the values don't exceed; not a number when there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")
