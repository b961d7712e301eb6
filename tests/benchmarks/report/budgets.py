"""The budgets of taskq, and the measured values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.book import Book, Span
from tests.benchmarks.report.text import NOTHING, number, spread, table

__all__ = ["budget_table"]

Find = Callable[[Book], Span | None]


@dataclass(frozen=True)
class Budget:
    """A row: its label, the function that finds the value, its unit, and the limit ("≥" or "≤" and a value; None: no limit)."""

    what: str
    find: Find
    unit: str = ""
    limit: tuple[str, float] | None = None

    def row(self, book: Book) -> list[str]:
        """Return the cells: label, limit, measured value, and yes if the limit is met."""
        found = self.find(book)
        if self.limit is None or found is None:
            return [self.what, "", self._measured(found), ""]
        sign, asked = self.limit
        kept = (operator.ge if sign == "≥" else operator.le)(found.median, asked)
        return [self.what, f"{sign} {number(asked)} {self.unit}", self._measured(found), "yes" if kept else "**no**"]

    def _measured(self, found: Span | None) -> str:
        return f"{spread(found)} {self.unit}" if found else NOTHING


def value(measure: str, who: str = "taskq") -> Find:
    """Find a measured value."""
    return lambda book: book.span(measure, who)


def percent(measure: str, who: str, to: tuple[str, str]) -> Find:
    """Find the ratio to another value of the same round, in percent."""

    def find(book: Book) -> Span | None:
        found = book.ratio(measure, who, to)
        return Span(*(part * 100 for part in found)) if found else None

    return find


def longer(measure: str, who: str, than: str = "no slow job") -> Find:
    """Find the difference to another value of the same round."""
    return lambda book: book.difference(measure, who, than)


BUDGETS = (
    Budget("no-op jobs, 2 processes", value("drain"), "jobs/s", ("≥", 100_000)),
    Budget("… compared with the bare Lua batches", percent("drain", "taskq", ("drain", "bare Lua batches")), "%", ("≥", 40)),
    Budget("… processor time of the workers per job", value("worker_cpu"), "µs"),
    Budget("… processor time of the server per job", value("server_cpu"), "µs"),
    Budget("`push`, one process", value("push_rate"), "pushes/s"),
    Budget("… compared with a loop of bare `lpush`", percent("push_rate", "taskq", ("push_rate", "LPUSH loop")), "%", ("≥", 80)),
    Budget("`push_many`", value("push_many"), "messages/s", ("≥", 150_000)),
    Budget("… a bare `lpush` of a thousand pickles", value("push_many", "LPUSH"), "messages/s"),
    Budget("push to start, idle worker, p50", value("taskq_start_p50"), "ms", ("≤", 1)),
    Budget("push to start, idle worker, p99", value("taskq_start_p99"), "ms", ("≤", 3)),
    Budget("lateness of delayed jobs, p50", value("taskq_late_p50"), "ms", ("≤", 3)),
    Budget("lateness of delayed jobs, p99", value("taskq_late_p99"), "ms", ("≤", 15)),
    Budget("idle: processor time of the workers", value("taskq_idle", "worker"), "% of a core", ("≤", 0.5)),
    Budget("idle: processor time of the server", value("taskq_idle", "server"), "% of a core", ("≤", 0.5)),
    Budget("server memory per waiting message", value("message_bytes"), "bytes", ("≤", 110)),
    Budget("memory of a worker process (PSS), for an app without other imports", value("child_memory", "pss"), "MiB", ("≤", 15)),
    Budget("… its own pages", value("child_memory", "own"), "MiB"),
    Budget("… growth from a tenth of the jobs to all of them", value("child_growth"), "MiB", ("≤", 1)),
    Budget("drain, many waiting, compared with few", percent("backlog_drain", "waiting", ("backlog_drain", "few")), "%", ("≥", 90)),
    Budget("drain, many delayed, compared with few", percent("backlog_drain", "delayed", ("backlog_drain", "few")), "%", ("≥", 90)),
    Budget("`push`, many waiting, compared with few", percent("backlog_push", "waiting", ("backlog_push", "few")), "%", ("≥", 90)),
    Budget("`push`, many delayed, compared with few", percent("backlog_push", "delayed", ("backlog_push", "few")), "%", ("≥", 90)),
    Budget("`push_many`, many waiting, compared with few", percent("backlog_many", "waiting", ("backlog_many", "few")), "%", ("≥", 90)),
    Budget("`push_many`, many delayed, compared with few", percent("backlog_many", "delayed", ("backlog_many", "few")), "%", ("≥", 90)),
    Budget("many due at once: the longest server command", value("due_slowest", "due"), "ms", ("≤", 5)),
    Budget("… slowest reply to a ping", value("due_ping_max", "due"), "ms"),
    Budget("… the same while draining as many waiting jobs", value("due_ping_max", "waiting"), "ms"),
    Budget("… from due to the first job", value("due_first", "due"), "ms"),
    Budget("… from due to the last job", value("due_last", "due"), "ms"),
    Budget("… as many waiting jobs, from the first to the last", value("due_last", "waiting"), "ms"),
    Budget("jobs of 20 ms on 4 processes, compared with the ideal time", value("naps"), "%", ("≤", 110)),
    Budget(
        "1,000 coroutines of 100 ms, 200 at once in a process, compared with the ideal", value("at_once", "coroutines"), "%", ("≤", 120)
    ),
    Budget("200 blocking jobs of 50 ms in 20 threads of a process, compared with the ideal", value("at_once", "threads"), "%", ("≤", 120)),
    Budget("no-op coroutines, 2 processes", value("coroutines"), "jobs/s", ("≥", 20_000)),
    Budget("… processor time of the workers per job", value("coroutines_cpu"), "µs"),
    Budget("200 fast jobs behind a slow one (2 s): extra time", longer("fast_done", "slow job first"), "ms", ("≤", 100)),
    Budget("… with the slow job in the middle", longer("fast_done", "slow job in the middle"), "ms", ("≤", 100)),
    Budget("`taskq --help`, processor time", value("help_cpu"), "ms", ("≤", 150)),
    Budget("… of which Python alone", value("help_cpu", "python"), "ms"),
    Budget("`import taskq`, processor time", value("import"), "ms", ("≤", 80)),
    Budget("… `from taskq import Queue`", value("import", "Queue"), "ms", ("≤", 80)),
    Budget("… `import redis` alone", value("import", "redis"), "ms"),
    Budget("from the start of `taskq worker` to its first job", value("first_job"), "ms", ("≤", 300)),
)


def budget_table(book: Book) -> str:
    """Return the table of all budgets."""
    return table(["measure", "budget", "measured", "met"], [budget.row(book) for budget in BUDGETS])
