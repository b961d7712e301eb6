"""How `taskq bench` looks: a bar on standard error while it measures, and a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from taskq.cli.output import Column, print_table, print_text
from taskq.cli.words import count
from taskq.clock import monotonic
from taskq.tools.bench.cases import ALL
from taskq.tools.bench.cost import Compared
from taskq.tools.bench.figures import Figure
from taskq.tools.bench.plan import Plan

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Bar", "heading", "print_cases", "print_figures"]

_DRAW_EVERY = 0.1
_TEXTS = {
    "push": "single pushes from one process, one after the other",
    "push_many": "pushes in bulk from one process",
    "drain": "jobs that do nothing, until all are settled",
    "cpu_worker": "processor time of the worker's processes",
    "cpu_server": "processor time of the server",
    "latency": "from a push to the start, on an idle worker",
    "lateness": "from the due time of a delayed job to its start",
    "memory_waiting": "memory of the server, of a waiting message",
    "memory_delayed": "memory of the server, of a delayed message",
}
_COLUMNS = [
    Column("MEASURE", whole=True),
    Column("MEDIAN", whole=True, right=True),
    Column("P99", whole=True, right=True),
    Column("LOWEST", whole=True, right=True),
    Column("HIGHEST", whole=True, right=True),
    Column("UNIT", whole=True),
    Column("SAMPLES", whole=True, right=True),
    Column("DESCRIPTION"),
]
_CASE_COLUMNS = [
    Column("CASE", whole=True),
    Column("RATE", whole=True, right=True),
    Column("CPU", whole=True, right=True),
    Column("SERVER", whole=True, right=True),
    Column("BARE RATE", whole=True, right=True),
    Column("CPU", whole=True, right=True),
    Column("SERVER", whole=True, right=True),
    Column("DESCRIPTION"),
]


def heading(plan: Plan, server: str, url: str | None) -> str:
    """Return the words at the beginning."""
    where = f"{server} at {url}" if url else f"{server} (embedded, for this benchmark only)"
    processes = f"{plan.processes} process{'' if plan.processes == 1 else 'es'}"
    sizes = f"{count(plan.jobs, 'job')} a round, {count(plan.rounds, 'round')}, {plan.payload:,} bytes of payload, {processes}"
    return f"{where}\n{sizes}\n"


def print_figures(figures: Mapping[str, Figure]) -> None:
    """Print the table, and why something isn't in it."""
    if not figures:
        return
    print_table(_COLUMNS, [_row(name, figures[name]) for name in _TEXTS if name in figures and figures[name].median is not None])
    for name, one in figures.items():
        if one.median is None:
            print_text(f"{name} is missing: {one.note}")


def print_cases(cases: Mapping[str, Compared]) -> None:
    """Print the table of taskq beside bare loops."""
    if not cases:
        return
    print_text("RATE is per second. CPU (Python) and SERVER are microseconds of processor time per job:\n")
    print_table(_CASE_COLUMNS, [_case(name, one) for name, one in cases.items()])


def _case(name: str, one: Compared) -> list[str]:
    found = (part for cost in (one.taskq, one.bare) for part in (cost.rate, cost.cpu, cost.server))
    return [name, *(_number(part.median) or "-" for part in found), ALL[name].text]


def _row(name: str, one: Figure) -> list[str]:
    numbers = [_number(number) for number in (one.median, one.p99, one.low, one.high)]
    return [name, *numbers, one.unit, f"{one.samples:,}", _TEXTS[name]]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


class Bar:
    """The bar. Only on a terminal; drawn without a thread, for the bench forks."""

    def __init__(self) -> None:
        self._shown: tuple[Progress, TaskID] | None = None
        self._drawn_at = 0.0

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
            bar = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
            self._shown = bar, bar.add_task("", total=None)
            bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown is not None:
            self._shown[0].stop()

    def show(self, measure: str, done: int, total: int) -> None:
        if self._shown is None or monotonic() - self._drawn_at < _DRAW_EVERY:
            return
        self._drawn_at = monotonic()
        bar, task = self._shown
        bar.update(task, description=measure, completed=done, total=total, refresh=True)
