"""The tables of the kinds of jobs and pushes, with a footnote for each cell that is empty."""

from __future__ import annotations

from tests.benchmarks.book import Book, Span
from tests.benchmarks.contender import Contender
from tests.benchmarks.measures.kinds import KINDS
from tests.benchmarks.report.text import NOTHING, number, spread, table
from tests.benchmarks.table import PEERS, TASKQ

__all__ = ["TITLES", "kind_cost_table", "kind_rounds", "kind_table", "of_kind"]

#: The title of each column.
TITLES = {
    "noop": "no-op",
    "result": "with a result",
    "async": "coroutine",
    "failing": "failing",
    "delayed": "delayed",
    "bulk": "bulk push",
    "apush": "push from 100 tasks",
}
_SAME = "its jobs are always coroutines, so this is the no-op job"
#: The no-op job is measured elsewhere.
_NOOP = {"_rate": "drain", "_cpu": "worker_cpu", "_server": "server_cpu"}


def of_kind(book: Book, kind: str, part: str, who: str) -> Span | None:
    """Return a rate (`_rate`) or a processor time (`_cpu`, `_server`) of a kind."""
    is_noop = kind == "noop" or (kind == "async" and any(peer.name == who and peer.is_async for peer in PEERS))
    return book.span(_NOOP[part] if is_noop else f"{kind}{part}", who)


def kind_rounds(book: Book) -> int:
    """Return how many rounds of the kinds were run: fewer than of other measures, if the time was over."""
    return max((len(values) for kind in KINDS for values in book.values.get(f"{kind}_rate", {}).values()), default=0)


def _measured(book: Book) -> list[Contender]:
    """Return the contenders with a measured kind, in the order of the no-op rate."""

    def rate(contender: Contender) -> float:
        found = of_kind(book, "noop", "_rate", contender.name)
        return -found.median if found else 0

    there = [one for one in (TASKQ, *PEERS) if any(book.span(f"{kind}_rate", one.name) for kind in KINDS)]
    return sorted(there, key=rate)


def kind_table(book: Book) -> str:
    """Return the rates per second, with the reasons below."""
    notes: list[str] = []
    rows = [[_name(one), *(_cell(book, one, kind, notes) for kind in TITLES)] for one in _measured(book)]
    below = [f"{place}. {note[0].upper()}{note[1:]}." for place, note in enumerate(notes, 1)]
    return "\n".join([table(["per second", *TITLES.values()], rows), "", *below])


def _cell(book: Book, contender: Contender, kind: str, notes: list[str]) -> str:
    reason = contender.lacks.get(kind, _SAME if kind == "async" and contender.is_async else "")
    if reason and reason not in notes:
        notes.append(reason)
    found = of_kind(book, kind, "_rate", contender.name)
    return (spread(found) if found else NOTHING) + (f" ({notes.index(reason) + 1})" if reason else "")


def kind_cost_table(book: Book) -> str:
    """Return the processor times, Python + server."""
    rows = []
    for one in _measured(book):
        pairs = [(of_kind(book, kind, "_cpu", one.name), of_kind(book, kind, "_server", one.name)) for kind in TITLES]
        rows.append([_name(one), *(f"{number(a.median)} + {number(b.median)}" if a and b else NOTHING for a, b in pairs)])
    return table(["µs per job, Python + server", *TITLES.values()], rows)


def _name(contender: Contender) -> str:
    return f"**{contender.name}**" if contender is TASKQ else contender.name
