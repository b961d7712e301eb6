"""Everything that was measured as plain text: for the terminal."""

from __future__ import annotations

from tests.benchmarks.book import Book

__all__ = ["summary"]


def summary(book: Book) -> str:
    """One line a value: median, and the extremes of the rounds."""
    lines = []
    for measure in book.values:
        for who in book.who(measure):
            span = book.span(measure, who)
            assert span is not None
            spread = "" if span.low == span.high else f"  ({span.low:,.2f} .. {span.high:,.2f})"
            lines.append(f"{measure:20}{who:24}{span.median:14,.2f}{spread}")
    return "\n".join(lines)
