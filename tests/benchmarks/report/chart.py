"""Bar charts: no-op jobs per second of each contender on one scale from zero; each kind of job beside the fastest peer."""

from __future__ import annotations

from html import escape

from tests.benchmarks.book import Book, Span
from tests.benchmarks.report.kinds import TITLES, of_kind
from tests.benchmarks.report.text import number
from tests.benchmarks.table import BLMOVE, LUA, PEERS, TASKQ

__all__ = ["chart", "kind_chart"]

_LEFT, _BAR, _RIGHT, _TOP, _ROW = 150, 440, 90, 52, 26
_COLOURS = {TASKQ.name: "#0a7d5a", LUA.name: "#b9bec6", BLMOVE.name: "#b9bec6"}
_OTHER, _DARK = "#4a76b8", "#1d2228"
_TITLE, _KIND_TITLE = "No-op jobs per second, two processes", "Jobs per second by kind: taskq and the fastest other library"
_LEGEND = "median of the rounds; the line spans the worst and the best; gray: bare loops"
_KIND_LEGEND = "median of the rounds; the line spans the worst and the best; green: taskq; each pair has its own scale"


def chart(book: Book) -> str:
    """Draw the chart on a light background, because the page may be dark."""
    spans = {who: span for who in book.who("drain") if (span := book.span("drain", who))}
    rows = sorted(spans.items(), key=lambda row: row[1].median, reverse=True)
    most = max((span.high for span in spans.values()), default=1)
    parts = [_row(who, who, span, _TOP + _ROW * place, most) for place, (who, span) in enumerate(rows)]
    return _frame(_TITLE, _LEGEND, parts)


def kind_chart(book: Book) -> str:
    """Draw two bars for each kind."""
    parts: list[str] = []
    for kind, title in TITLES.items():
        found = {peer.name: span for peer in PEERS if (span := of_kind(book, kind, "_rate", peer.name))}
        ours = of_kind(book, kind, "_rate", TASKQ.name)
        if ours is None or not found:
            continue
        best = max(found, key=lambda who: found[who].median)
        most = max(ours.high, found[best].high)
        for who, label, span in ((TASKQ.name, title, ours), (best, best, found[best])):
            parts.append(_row(who, label, span, _TOP + _ROW * len(parts), most))
    return _frame(_KIND_TITLE, _KIND_LEGEND, parts)


def _frame(title: str, legend: str, rows: list[str]) -> str:
    width, height = _LEFT + _BAR + _RIGHT, _TOP + _ROW * len(rows) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#fbfbfc"/>',
        f'<text x="16" y="22" font-weight="bold" fill="{_DARK}">{title}</text>',
        f'<text x="16" y="40" font-size="11" fill="#5c6570">{legend}</text>',
    ]
    return "\n".join([*parts, *rows, "</svg>", ""])


def _row(who: str, label: str, span: Span, y: float, most: float) -> str:
    scale = _BAR / most
    middle, low, end = y + _ROW / 2, _LEFT + span.low * scale, _LEFT + span.high * scale
    long, colour = max(1, span.median * scale), _COLOURS.get(who, _OTHER)
    parts = [
        f'<text x="{_LEFT - 8}" y="{middle + 4:g}" text-anchor="end" fill="{_DARK}">{escape(label)}</text>',
        f'<rect x="{_LEFT}" y="{y + 5}" width="{long:.1f}" height="{_ROW - 10}" fill="{colour}"/>',
        f'<line x1="{low:.1f}" y1="{middle:g}" x2="{end:.1f}" y2="{middle:g}" stroke="{_DARK}"/>',
        f'<text x="{end + 8:.1f}" y="{middle + 4:g}" fill="{_DARK}">{number(span.median)}</text>',
    ]
    return "\n".join(parts)
