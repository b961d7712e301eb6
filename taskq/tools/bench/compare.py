"""The cases: taskq beside bare loops, in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from taskq.channel import State
from taskq.errors import TaskqError
from taskq.tools.bench import bare
from taskq.tools.bench.app import ITEMS
from taskq.tools.bench.cases import ALL, Case
from taskq.tools.bench.cost import Compared, Cost, Sample, clock_of, sample
from taskq.tools.bench.place import Place
from taskq.tools.bench.plan import Plan, Viewer
from taskq.tools.bench.working import drained

__all__ = ["compare"]

_CHUNK = 10_000
#: Tasks of an event loop.
_TASKS = 100
_HOUR = 3600


def compare(place: Place, plan: Plan, viewer: Viewer) -> dict[str, Compared]:
    """Measure the cases of the plan.

    Raises:
        TaskqError: the server can't be used, or the worker doesn't work.
    """
    found = dict[str, Compared]()
    # The worker of the other measures would share the processors.
    place.worker.stop()
    for lanes in sorted({case.lanes for case in ALL.values()}):
        chosen = [case for case in ALL.values() if case.lanes == lanes and case.name in plan.measures]
        if chosen and lanes == 0:
            found |= {case.name: _push(place, case, plan, viewer) for case in chosen}
        elif chosen:
            with place.beside(lanes) as own:
                found |= _drain_all(own, chosen, plan, viewer)
    return {name: found[name] for name in ALL if name in found}


def _drain_all(place: Place, cases: Sequence[Case], plan: Plan, viewer: Viewer) -> dict[str, Compared]:
    """Push all jobs of every round, then let the workers run them; the shelf that was filled last is taken down first."""
    for case in reversed(cases):
        job, argument = getattr(place.app, case.job), case.argument(plan.payload)
        for _ in range(plan.rounds):
            left = case.count(plan.jobs)
            while left:
                handles = job.push_many([(argument,)] * min(left, _CHUNK))
                place.remember([handle.id for handle in handles] if case.job in {"give", "agive", "items"} else [])
                left -= len(handles)
            place.shelve()
    place.start_worker(plan.processes)
    return {case.name: _drain(place, case, plan, viewer) for case in cases}


def _drain(place: Place, case: Case, plan: Plan, viewer: Viewer) -> Compared:
    count, argument = case.count(plan.jobs), case.argument(plan.payload)
    units = count * (ITEMS if case.job == "items" else 1)
    taskq, loop = list[Sample](), list[Sample]()
    for cost in drained(place, case.name, count, plan.rounds, viewer, units=units):
        taskq.append(cost)
        bare.bare_fill(place, count, argument)
        loop.append(sample(lambda: bare.bare_drain(place, case), units, place.sender, clock_of()))
    _check(place, case, plan.rounds * count)
    return Compared(Cost.of(case.unit, taskq), Cost.of(case.unit, loop))


def _check(place: Place, case: Case, ran: int) -> None:
    """Check that the jobs that should fail have failed, and no others, and remove their messages.

    Raises:
        TaskqError: the number of failed jobs is wrong.
    """
    failed = place.sender.call(place.sender.driver.count(State.FAILED))
    if failed != (ran if case.job == "fail" else 0):
        raise TaskqError(f"{failed:,} of {ran:,} jobs of the case {case.name} failed. Worker log:\n{place.worker.last_words()}")
    place.ask("UNLINK", place.keys.failed)


def _push(place: Place, case: Case, plan: Plan, viewer: Viewer) -> Compared:
    count, argument = case.count(plan.jobs), case.argument(plan.payload)
    count -= count % _TASKS if count > _TASKS else 0
    taskq, loop = list[Sample](), list[Sample]()
    for number in range(plan.rounds):
        viewer.show(case.name, number * count, plan.rounds * count)
        taskq.append(sample(lambda: _push_all(place, case, count, argument), count, place.sender, clock_of()))
        place.clear()
        loop.append(sample(lambda: bare.bare_push(place, case, count, argument), count, place.sender, clock_of()))
        place.clear()
    return Compared(Cost.of(case.unit, taskq), Cost.of(case.unit, loop))


def _push_all(place: Place, case: Case, count: int, argument: str) -> None:
    job = place.app.nothing
    if case.name == "apush":
        asyncio.run(_apush(job, count, argument))
        return
    chosen = job.options(delay=_HOUR) if case.name == "bulk_delayed" else job
    for first in range(0, count, _CHUNK):
        chosen.push_many([(argument,)] * min(_CHUNK, count - first))


async def _apush(job: Any, count: int, argument: str) -> None:
    async def each(times: int) -> None:
        for _ in range(times):
            await job.apush(argument)

    tasks = min(_TASKS, count)
    await asyncio.gather(*[each(count // tasks) for _ in range(tasks)])
