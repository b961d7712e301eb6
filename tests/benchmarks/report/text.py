"""Figures and tables as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tests.benchmarks.book import Span

__all__ = ["NOTHING", "number", "spread", "table"]

#: For a value that was not measured.
NOTHING = "—"


def number(value: float) -> str:
    """Return a number with three significant digits: 94,700, 0.65, 1.1."""
    if math.isnan(value):
        return NOTHING
    if abs(value) >= 100:
        digits = max(0, len(str(int(abs(value)))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(span: Span | None) -> str:
    """Return the median, with the extremes of the rounds in parentheses."""
    if span is None:
        return NOTHING
    if span.low == span.high:
        return number(span.median)
    return f"{number(span.median)} ({number(span.low)} … {number(span.high)})"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
