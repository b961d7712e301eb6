"""Figures and tables as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tests.benchmarks.book import Span

__all__ = ["NOTHING", "number", "spread", "table"]

#: Stands where nothing was measured.
NOTHING = "—"


def number(value: float) -> str:
    """Three digits that count, and no more: 94,700, 0.65, 1.1."""
    if math.isnan(value):
        return NOTHING
    if abs(value) >= 100:
        digits = max(0, len(str(int(abs(value)))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(span: Span | None) -> str:
    """The median, and the extremes of the rounds after it."""
    if span is None:
        return NOTHING
    if span.low == span.high:
        return number(span.median)
    return f"{number(span.median)} ({number(span.low)} … {number(span.high)})"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
