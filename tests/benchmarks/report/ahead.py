"""The measures in which a peer has the better figure; the page lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.book import Book, Span
from tests.benchmarks.measures.kinds import KINDS
from tests.benchmarks.report.kinds import TITLES, of_kind
from tests.benchmarks.report.text import number
from tests.benchmarks.table import PEERS, TASKQ

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
#: The same for each kind: the part of its measure, its description, its unit, and True if more is better.
PARTS = (
    ("_rate", "rate", "per second", True),
    ("_cpu", "processor time of Python", "µs per job", False),
    ("_server", "processor time of the server", "µs per job", False),
)
Find = Callable[[str], Span | None]


def ahead(book: Book) -> str:
    """List every measure in which a peer's median is better, with both figures."""
    lines = []
    for find, text, unit, more in _measures(book):
        ours = find(TASKQ.name)
        if ours is None:
            continue
        found = [(peer.name, theirs.median) for peer in PEERS if (theirs := find(peer.name))]
        better = [f"{who} {number(theirs)}" for who, theirs in found if (theirs > ours.median if more else theirs < ours.median)]
        if better:
            lines.append(f"- {text}: {', '.join(better)}; taskq {number(ours.median)} {unit}")
    return "\n".join(lines) or "None of them had a better figure than taskq in a column of these tables."


def _measures(book: Book) -> Iterator[tuple[Find, str, str, bool]]:
    for measure, text, unit, more in MEASURES:
        yield partial(book.span, measure), text, unit, more
    for kind in KINDS:
        for part, text, unit, more in PARTS:
            yield partial(of_kind, book, kind, part), f"{TITLES[kind]}: {text}", unit, more
