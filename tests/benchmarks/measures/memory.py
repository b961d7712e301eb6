"""The memory of a child of taskq: its own, and whether it grows."""

from __future__ import annotations

import functools
import statistics

from tests.benchmarks.book import Book
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.processes import WorkerGroup, memory_of
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import TASKQ

__all__ = ["cases"]

#: One tenth first: by then everything that is made once has been made.
FIRST = 10


def cases(plan: Plan) -> list[Case]:
    """One worker of two processes a round."""
    return [Case("memory of a child", functools.partial(_round, plan))]


def _round(plan: Plan, book: Book, _: int) -> None:
    count = plan.sizes.flat
    few = count // FIRST
    with Stage(TASKQ, jobs=count) as stage:
        group = stage.start_worker()
        stage.push("many", few)
        stage.wait(few, group)
        early = _memory(group)
        stage.push("call", "push_range", few, count)
        stage.wait(count, group)
        late = _memory(group)
        for kind in ("pss", "own", "rss"):
            book.add("child_memory", kind, late[kind])
        book.add("child_growth", "taskq", late["rss"] - early["rss"])


def _memory(group: WorkerGroup) -> dict[str, float]:
    """The mean of the children."""
    found = [memory_of(pid) for pid in group.children("taskq: default")]
    return {kind: statistics.mean(memory[kind] for memory in found) for kind in found[0]}
