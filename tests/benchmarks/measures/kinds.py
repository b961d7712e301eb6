"""Kinds of jobs and pushes beside the peers: results, coroutines, failures, delayed jobs, bulk pushes, pushes from many tasks."""

from __future__ import annotations

import functools

from tests.benchmarks.book import Book
from tests.benchmarks.contender import Contender
from tests.benchmarks.drain import drain
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import FIRST, Stage
from tests.benchmarks.table import PEERS, TASKQ

__all__ = ["JOBS", "KINDS", "OTHERS", "cases", "has"]

#: What workers run, then what is only pushed.
JOBS = ("result", "async", "failing", "delayed")
KINDS = (*JOBS, "bulk", "apush")
#: The maximum duration of a drain in seconds: enough to measure a slow contender.
LIMIT = 3.0
#: Libraries that are measured in another setup: the faster one of RQ, and the one of taskiq that loses no job.
OTHERS = {"RQ", "taskiq (list)"}
#: Seconds until delayed jobs are due: all together, when the workers have been started.
DUE = 4.0
#: The part of the no-op jobs of the contender, the fewest, and the most.
SHARE, FEWEST, MOST = 0.2, 1_000, 30_000
#: The part of its no-op jobs that is pushed with one call, and the fewest.
BULK_SHARE, BULK_FEWEST = 0.35, 2_000


def has(contender: Contender, kind: str) -> bool:
    """Return True if it is measured; jobs that are coroutines are measured as no-op jobs."""
    return kind not in contender.lacks and not (kind == "async" and contender.is_async)


def cases(plan: Plan) -> list[Case]:
    """One for each contender that is there, and each kind that it has."""
    there = [contender for contender in (TASKQ, *PEERS) if contender.is_there(plan.peers) and contender.name not in OTHERS]
    chosen = [(contender, kind) for contender in there for kind in KINDS if has(contender, kind)]
    return [Case(f"{contender.name}, {kind}", functools.partial(_round, plan, contender, kind)) for contender, kind in chosen]


def _round(plan: Plan, contender: Contender, kind: str, book: Book, _: int) -> None:
    count = min(contender.jobs, MOST, max(FEWEST, int(contender.jobs * SHARE)))
    count = int((max(BULK_FEWEST, contender.jobs * BULK_SHARE) if kind == "bulk" else count) * max(plan.sizes.share, 0.2))
    with Stage(contender, jobs=count, peers=plan.peers, kind=kind) as stage:
        found = _run(stage, kind, count) if kind in JOBS else _push(stage, kind, count)
        for name, value in found.items():
            book.add(f"{kind}{name}", contender.name, value)


def _run(stage: Stage, kind: str, count: int) -> dict[str, float]:
    """Push the jobs, then start workers."""
    stage.push("kind", kind, count, DUE)
    group = stage.start_worker(*(("--concurrency", "100") if kind == "async" and stage.contender is TASKQ else ()))
    found = drain(stage, group, count, LIMIT)
    group.stop(grace=0)  # jobs may be left: nothing is counted any more
    if not found.rate:
        raise RuntimeError(
            f"{stage.contender.name} has run no job of the kind {kind}; its log: {group.log.read_text(errors='replace')[-2000:]}"
        )
    return {"_rate": found.rate, "_cpu": found.worker_cpu, "_server": found.server_cpu}


def _push(stage: Stage, kind: str, count: int) -> dict[str, float]:
    """Push them with one call, or from a hundred tasks of an event loop."""
    if kind == "apush":
        count = max(count // 4, FEWEST)
    before = stage.server_cpu()
    done = stage.push("many", count, FIRST) if kind == "bulk" else stage.push("tasks", count)
    served = stage.server_cpu() - before
    return {"_rate": count / done["seconds"], "_cpu": done["cpu"] / count * 1e6, "_server": served / count * 1e6}
