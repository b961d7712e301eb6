"""A bar chart: no-op jobs per second of each contender, on one scale from zero."""

from __future__ import annotations

from html import escape

from tests.benchmarks.book import Book, Span
from tests.benchmarks.report.text import number
from tests.benchmarks.table import BLMOVE, LUA, TASKQ

__all__ = ["chart"]

_LEFT, _BAR, _RIGHT, _TOP, _ROW = 150, 440, 90, 52, 26
_COLOURS = {TASKQ.name: "#0a7d5a", LUA.name: "#b9bec6", BLMOVE.name: "#b9bec6"}
_OTHER, _DARK = "#4a76b8", "#1d2228"
_LEGEND = "median of the rounds; the line spans the worst and the best; gray: bare loops"


def chart(book: Book) -> str:
    """Draw the chart on a light background, because the page may be dark."""
    spans = {who: span for who in book.who("drain") if (span := book.span("drain", who))}
    rows = sorted(spans.items(), key=lambda row: row[1].median, reverse=True)
    most = max((span.high for span in spans.values()), default=1)
    width, height = _LEFT + _BAR + _RIGHT, _TOP + _ROW * len(rows) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" role="img">',
        "<title>No-op jobs per second, two processes</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#fbfbfc"/>',
        f'<text x="16" y="22" font-weight="bold" fill="{_DARK}">No-op jobs per second, two processes</text>',
        f'<text x="16" y="40" font-size="11" fill="#5c6570">{_LEGEND}</text>',
    ]
    for place, (who, span) in enumerate(rows):
        parts += _row(who, span, _TOP + _ROW * place, _BAR / most)
    return "\n".join([*parts, "</svg>", ""])


def _row(who: str, span: Span, y: float, scale: float) -> list[str]:
    middle, low, end = y + _ROW / 2, _LEFT + span.low * scale, _LEFT + span.high * scale
    long, colour = max(1, span.median * scale), _COLOURS.get(who, _OTHER)
    return [
        f'<text x="{_LEFT - 8}" y="{middle + 4:g}" text-anchor="end" fill="{_DARK}">{escape(who)}</text>',
        f'<rect x="{_LEFT}" y="{y + 5}" width="{long:.1f}" height="{_ROW - 10}" fill="{colour}"/>',
        f'<line x1="{low:.1f}" y1="{middle:g}" x2="{end:.1f}" y2="{middle:g}" stroke="{_DARK}"/>',
        f'<text x="{end + 8:.1f}" y="{middle + 4:g}" fill="{_DARK}">{number(span.median)}</text>',
    ]
