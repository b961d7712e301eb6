"""Measures with a worker: drain rate, start latency, lateness, and processor time."""

from __future__ import annotations

import time

from taskq.channel import State
from taskq.clock import monotonic
from taskq.errors import TaskqError
from taskq.tools.bench.cpu import of_processes, of_server
from taskq.tools.bench.figures import Figure, figure
from taskq.tools.bench.place import PATIENCE, Place
from taskq.tools.bench.plan import Plan, Viewer

__all__ = ["drain", "latency", "lateness"]

#: Between two looks at what is left: far less than a round takes, and no load.
_LOOK = 0.005
#: Between two jobs on an idle worker: until it sleeps in the server again.
_REST = 0.01
#: Seconds after which that ends early: the server is far away, and as many as this show it.
_LONGEST = 30.0
#: The delay of the first delayed job in seconds, and the number of jobs due per second after that.
_FIRST, _PER_SECOND = 0.5, 250


def drain(place: Place, plan: Plan, viewer: Viewer) -> dict[str, Figure]:
    """Let the worker drain one round after the other. All its processes are idle when the messages appear, all at once."""
    rates: list[float] = []
    worker: list[float | None] = []
    server: list[float | None] = []
    pids = place.pids()
    for number in range(plan.rounds):
        before = of_processes(pids), of_server(place.sender)
        began = monotonic()
        place.take_down()
        _wait_for_end(place, plan, viewer, number)
        rates.append(plan.jobs / (monotonic() - began))
        worker.append(_spent(before[0], of_processes(pids), plan.jobs))
        server.append(_spent(before[1], of_server(place.sender), plan.jobs))
    failed = place.sender.call(place.sender.driver.count(State.FAILED))
    if failed:
        raise TaskqError(f"{failed} no-op benchmark jobs failed. Worker log:\n{place.worker.last_words()}")
    return {"drain": figure("jobs/s", rates), "cpu_worker": _cpu(worker), "cpu_server": _cpu(server)}


def _wait_for_end(place: Place, plan: Plan, viewer: Viewer, number: int) -> None:
    left, deadline = plan.jobs, monotonic() + PATIENCE
    while left:
        time.sleep(_LOOK)
        now = place.left()
        if now != left:
            left, deadline = now, monotonic() + PATIENCE
            viewer.show("drain", (number + 1) * plan.jobs - left, plan.rounds * plan.jobs)
        place.check_worker(deadline)


def _spent(before: float | None, after: float | None, jobs: int) -> float | None:
    return None if before is None or after is None else (after - before) / jobs * 1e6


def _cpu(spent: list[float | None]) -> Figure:
    known = [one for one in spent if one is not None]
    return figure("µs/job", known) if len(known) == len(spent) else Figure(unit="µs/job", note="not reported here")


def latency(place: Place, plan: Plan, viewer: Viewer) -> Figure:
    """Push jobs one at a time, each long after the previous one has ended, and measure when each starts."""
    job, late, began = place.app.report_start, list[float](), monotonic()
    while len(late) < plan.samples and (monotonic() - began < _LONGEST or not late):
        viewer.show("latency", len(late), plan.samples)
        time.sleep(_REST)
        job.push(str(place.pipe), monotonic(), plan.arguments)
        late.append(place.next_report() * 1000)
    return figure("ms", late)


def lateness(place: Place, plan: Plan, viewer: Viewer) -> Figure:
    """Push delayed jobs that are due one after the other, and measure when each starts."""
    job = place.app.report_start
    for index in range(plan.samples):
        delay = _FIRST + index / _PER_SECOND
        job.options(delay=delay).push(str(place.pipe), monotonic() + delay, plan.arguments)
    late = []
    for index in range(plan.samples):
        viewer.show("lateness", index, plan.samples)
        late.append(place.next_report() * 1000)
    return figure("ms", late)
