"""How soon taskq starts a job: on an idle worker, and when a delayed one is due; and what its idle worker costs."""

from __future__ import annotations

import functools
import time

from tests.benchmarks.book import Book, percentile
from tests.benchmarks.idle import idle_percent
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import TASKQ

__all__ = ["cases"]

#: Many times what the peers get: the 99th percentile is a budget.
FACTOR = 8
PAUSE = 0.005
SPREAD = 4.0
IDLE_FACTOR = 4


def cases(plan: Plan) -> list[Case]:
    """One worker of two processes a round."""
    return [Case("idle worker", functools.partial(_round, plan))]


def _round(plan: Plan, book: Book, number: int) -> None:
    notes = plan.sizes.notes * FACTOR
    with Stage(TASKQ, jobs=notes + 10) as stage:
        group = stage.start_worker()
        for measure, what, values in (("start", "latency", (notes, PAUSE)), ("late", "later", (notes, SPREAD))):
            found = stage.push(what, *values)
            waits = [wait * 1000 for wait in found["waits"]]
            for part in (50, 99):
                book.add(f"taskq_{measure}_p{part}", "taskq", percentile(waits, part / 100))
            book.add(f"taskq_{measure}_missing", "taskq", found.get("missing", 0))
        if number == 0:
            time.sleep(1)
            idle = idle_percent(stage, group, plan.sizes.idle * IDLE_FACTOR)
            book.add("taskq_idle", "worker", idle.worker)
            book.add("taskq_idle", "server", idle.server)
