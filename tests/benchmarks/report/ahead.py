"""The measures in which another library has a better figure than taskq."""

from __future__ import annotations

from tests.benchmarks.book import Book
from tests.benchmarks.report.text import number
from tests.benchmarks.table import BLMOVE, LUA, TASKQ

__all__ = ["ahead"]

#: Measure, its description, its unit, and True if more is better.
MEASURES = (
    ("drain", "running jobs", "jobs/s", True),
    ("push", "pushing one by one", "pushes/s", True),
    ("worker_cpu", "processor time of the workers", "µs per job", False),
    ("server_cpu", "processor time of the server", "µs per job", False),
    ("start_p50", "push to start, p50", "ms", False),
    ("start_p99", "push to start, p99", "ms", False),
    ("bytes", "memory of a waiting job", "bytes", False),
    ("idle_worker", "idle workers", "% of a core", False),
    ("idle_server", "idle server", "% of a core", False),
)


def ahead(book: Book) -> str:
    """List every measure in which a peer's median is better, with both figures."""
    lines = []
    for measure, what, unit, more in MEASURES:
        ours = book.span(measure, TASKQ.name)
        if ours is None:
            continue
        better = []
        for who in book.who(measure):
            theirs = book.span(measure, who)
            if who in {TASKQ.name, LUA.name, BLMOVE.name} or theirs is None:
                continue
            if (theirs.median > ours.median) if more else (theirs.median < ours.median):
                better.append(f"{who} {number(theirs.median)}")
        if better:
            lines.append(f"- {what}: {', '.join(better)}; taskq {number(ours.median)} {unit}")
    return "\n".join(lines) or "None of them had a better figure than taskq in a column of the two tables."
