"""Measures with a worker: drain rate, start latency, lateness, and processor time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from taskq.channel import State
from taskq.clock import monotonic
from taskq.errors import TaskqError
from taskq.tools.bench.cost import Sample, clock_of, cpu_figure, sample
from taskq.tools.bench.figures import Figure, figure
from taskq.tools.bench.place import PATIENCE, Place
from taskq.tools.bench.plan import Plan, Viewer

__all__ = ["drain", "drained", "latency", "lateness"]

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
    found = list(drained(place, "drain", plan.jobs, plan.rounds, viewer))
    failed = place.sender.call(place.sender.driver.count(State.FAILED))
    if failed:
        raise TaskqError(f"{failed} no-op benchmark jobs failed. Worker log:\n{place.worker.last_words()}")
    rates = figure("jobs/s", [one.rate for one in found])
    return {"drain": rates, "cpu_worker": cpu_figure([one.cpu for one in found]), "cpu_server": cpu_figure([one.server for one in found])}


def drained(place: Place, name: str, count: int, rounds: int, viewer: Viewer, *, units: int = 0) -> Iterator[Sample]:
    """Let the worker drain rounds of `count` messages, and yield the cost of each. `units` is what a round counts as, `count` by default.

    Raises:
        TaskqError: the worker has ended, or nothing moves for 30 seconds.
    """
    clock, done = clock_of(place.pids()), 0

    def work() -> None:
        place.take_down()
        _wait_for_end(place, count, lambda left: viewer.show(name, done - left, rounds * count))

    while done < rounds * count:
        done += count
        yield sample(work, units or count, place.sender, clock)


def _wait_for_end(place: Place, count: int, show: Callable[[int], None]) -> None:
    """Wait until none of `count` messages is left, and show how many are."""
    left, deadline = count, monotonic() + PATIENCE
    while left:
        time.sleep(_LOOK)
        now = place.left()
        if now != left:
            left, deadline = now, monotonic() + PATIENCE
            show(left)
        place.check_worker(deadline)


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
