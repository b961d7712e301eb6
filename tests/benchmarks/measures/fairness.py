"""Whether batches harm anybody: jobs of one length on four processes, and fast jobs beside a slow one."""

from __future__ import annotations

import functools

from tests.benchmarks.book import Book
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import TASKQ

__all__ = ["cases"]

NAP = 0.02
PROCESSES = 4
SLOW = 2.0
FAST = 200
#: Worked off before, so that the batches of fast jobs have grown.
WARM_UP = 5_000
#: Where the slow job stands among the fast ones.
PLACES = {"no slow job": -1, "slow job first": 0, "slow job in the middle": FAST // 2}


def cases(plan: Plan) -> list[Case]:
    """The naps, then the slow job in each place."""
    slow = [Case(who, functools.partial(_slow_among_fast, place, who)) for who, place in PLACES.items()]
    return [Case("naps", functools.partial(_naps, plan)), *slow]


def _naps(plan: Plan, book: Book, _: int) -> None:
    count = plan.sizes.naps
    with Stage(TASKQ, jobs=count) as stage:
        stage.push("call", "push_naps", count, NAP)
        group = stage.start_worker("--processes", str(PROCESSES))
        stage.wait(count, group)
        took = max(stage.moments("ends")) - min(filter(None, stage.moments("starts")))
        book.add("naps", "taskq", took / (count * NAP / PROCESSES) * 100)


def _slow_among_fast(place: int, who: str, book: Book, _: int) -> None:
    with Stage(TASKQ, jobs=WARM_UP) as stage:
        stage.push("many", WARM_UP)
        group = stage.start_worker()
        stage.wait(WARM_UP, group)
        stage.reset()
        stage.push("call", "push_slow_among_fast", FAST, place, SLOW)
        slow = place >= 0
        stage.wait(FAST + slow, group, count=FAST + 1)
        starts = [moment for moment in stage.moments("starts", FAST + 1) if moment]
        book.add("fast_done", who, (max(stage.moments("ends", FAST + 1)[1:]) - min(starts)) * 1000)
