"""The tables that compare all contenders."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks.book import Book
from tests.benchmarks.report.text import number, spread, table
from tests.benchmarks.table import BLMOVE, LUA, PEERS, TASKQ

__all__ = ["cost_table", "headline", "rate_table", "setup_table"]

_LIMITS = {LUA.name, BLMOVE.name}


def _by_rate(book: Book) -> list[str]:
    def rate(who: str) -> float:
        found = book.span("drain", who)
        return found.median if found else 0

    return sorted(book.who("drain"), key=rate, reverse=True)


def headline(book: Book) -> str:
    """Return one sentence that compares taskq with the fastest peer and a bare loop."""
    peers = [who for who in _by_rate(book) if who not in {*_LIMITS, TASKQ.name}]
    rate, part = book.span("drain", TASKQ.name), book.ratio("drain", TASKQ.name, ("drain", LUA.name))
    if rate is None or part is None or not peers:
        return ""
    best = peers[0]
    times = book.ratio("drain", TASKQ.name, ("drain", best))
    assert times is not None
    return (
        f"Two processes of taskq run **{number(rate.median)} no-op jobs a second**: {number(times.median)} times as many as the "
        f"fastest peer here ({best}), and {number(part.median * 100)} % of a bare loop that does the minimum."
    )


def rate_table(book: Book) -> str:
    """Return the table of rates and processor time, the fastest first."""
    rows = []
    for who in _by_rate(book):
        times = book.ratio("drain", TASKQ.name, ("drain", who))
        rows.append(
            [
                _name(who),
                spread(book.span("drain", who)),
                "1" if who == TASKQ.name else spread(times),
                *(spread(book.span(measure, who)) for measure in ("push", "worker_cpu", "server_cpu")),
                *(f"{book.total(measure, who):.0f}" for measure in ("lost", "twice")),
            ]
        )
    heads = [
        "",
        "run, jobs/s",
        "taskq is … times as fast",
        "pushed one by one, /s",
        "worker, µs per job",
        "server, µs per job",
        "lost",
        "twice",
    ]
    return table(heads, rows)


def cost_table(book: Book) -> str:
    """Return the table of latency, memory and idle cost."""
    measures = ("start_p50", "start_p99", "bytes", "idle_worker", "idle_server")
    rows = [[_name(who), *(spread(book.span(measure, who)) for measure in measures)] for who in _by_rate(book)]
    heads = ["", "push to start, p50, ms", "p99, ms", "a waiting job, bytes", "idle workers, % of a core", "idle server, % of a core"]
    return table(heads, rows)


def setup_table(versions: Mapping[str, str], taskq: str) -> str:
    """Return the table of versions and setups."""
    known = {**versions, TASKQ.name: f"taskq=={taskq}"}
    rows = []
    for contender in (TASKQ, *PEERS, LUA, BLMOVE):
        pinned = known.get(contender.name, "the same" if contender.is_peer else "")
        rows.append([contender.name, pinned.replace(", ", "<br>"), contender.setup])
    return table(["", "versions", "how it was started"], rows)


def _name(who: str) -> str:
    return f"**{who}**" if who == TASKQ.name else f"*{who}*" if who in _LIMITS else who
