"""No-op jobs beside peers and bare limits: pushed, worked off, started on an idle worker, and what an idle worker costs."""

from __future__ import annotations

import functools
import time

from tests.benchmarks.book import Book, percentile
from tests.benchmarks.contender import Contender
from tests.benchmarks.drain import drain
from tests.benchmarks.idle import idle_percent
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.processes import WorkerGroup
from tests.benchmarks.stage import FIRST, Stage
from tests.benchmarks.table import BLMOVE, LUA, PEERS, TASKQ

__all__ = ["cases"]

SETTLE = 0.5
PAUSE = 0.02
#: Seconds: a peer that polls gets fewer samples.
LIMIT = 6


def cases(plan: Plan) -> list[Case]:
    """One for each contender that is there."""
    there = [contender for contender in (LUA, TASKQ, BLMOVE, *PEERS) if contender.is_there(plan.peers)]
    return [Case(contender.name, functools.partial(_round, plan, contender)) for contender in there]


def _round(plan: Plan, contender: Contender, book: Book, number: int) -> None:
    count = max(30, int(contender.jobs * plan.sizes.share))
    with Stage(contender, jobs=max(count, plan.sizes.pushes), peers=plan.peers) as stage:
        _push(plan, stage, book)
        stage.fill(count)
        group = stage.start_worker()
        drained = drain(stage, group, count)
        book.add("drain", contender.name, drained.rate)
        book.add("worker_cpu", contender.name, drained.worker_cpu)
        book.add("server_cpu", contender.name, drained.server_cpu)
        _start(plan, stage, book)
        if not number and contender not in (LUA, BLMOVE):
            _idle(plan, stage, group, book)
        group.stop()
        runs = stage.runs(count)
        book.add("jobs", contender.name, count)
        book.add("lost", contender.name, runs.count(0))
        book.add("twice", contender.name, sum(times > 1 for times in runs))


def _push(plan: Plan, stage: Stage, book: Book) -> None:
    """Push some one by one to an empty server, and look how much it grows; then empty it again."""
    count, before = plan.sizes.pushes, stage.used_memory()
    book.add("push", stage.contender.name, stage.push_rate(count))
    book.add("bytes", stage.contender.name, (stage.used_memory() - before) / (count + FIRST))
    stage.server.admin.flushall()


def _start(plan: Plan, stage: Stage, book: Book) -> None:
    """Measure from push to start while the workers have nothing else to do."""
    time.sleep(SETTLE)
    waits = [wait * 1000 for wait in stage.push("latency", plan.sizes.notes, PAUSE, LIMIT)["waits"]]
    book.add("start_p50", stage.contender.name, percentile(waits, 0.5))
    book.add("start_p99", stage.contender.name, percentile(waits, 0.99))


def _idle(plan: Plan, stage: Stage, group: WorkerGroup, book: Book) -> None:
    """Measure the processor time of workers and server that do nothing, in percent of one core."""
    time.sleep(SETTLE)
    idle = idle_percent(stage, group, plan.sizes.idle)
    book.add("idle_worker", stage.contender.name, idle.worker)
    book.add("idle_server", stage.contender.name, idle.server)
