"""Many jobs at once in one process: coroutines and threads that wait, beside the ideal time, and no-op coroutines."""

from __future__ import annotations

import functools

from tests.benchmarks.book import Book
from tests.benchmarks.drain import drain
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import TASKQ

__all__ = ["cases"]

#: What waits: pushed by which function, how many jobs, how long each waits, how many at once.
WAITS = {"coroutines": ("push_anaps", 1_000, 0.1, 200), "threads": ("push_naps", 200, 0.05, 20)}
#: The no-op coroutines: how many processes, and how many jobs at once in each.
PROCESSES, AT_ONCE = 2, 200


def cases(plan: Plan) -> list[Case]:
    """What waits, then what does nothing."""
    waits = [Case(who, functools.partial(_wait, who)) for who in WAITS]
    return [*waits, Case("no-op coroutines", functools.partial(_noop, plan))]


def _wait(who: str, book: Book, _: int) -> None:
    """From the first start to the last end, in percent of the time that they would take if nothing but the waiting took any."""
    push, count, seconds, at_once = WAITS[who]
    with Stage(TASKQ, jobs=count) as stage:
        stage.push("call", push, count, seconds)
        group = stage.start_worker("--processes", "1", "--concurrency", str(at_once))
        stage.wait(count, group)
        took = max(stage.moments("ends")) - min(filter(None, stage.moments("starts")))
        book.add("at_once", who, took / (count * seconds / at_once) * 100)


def _noop(plan: Plan, book: Book, _: int) -> None:
    count = plan.sizes.drained // 3
    with Stage(TASKQ, jobs=count) as stage:
        stage.push("call", "push_coroutines", count)
        group = stage.start_worker("--processes", str(PROCESSES), "--concurrency", str(AT_ONCE))
        found = drain(stage, group, count)
        book.add("coroutines", "taskq", found.rate)
        book.add("coroutines_cpu", "taskq", found.worker_cpu)
