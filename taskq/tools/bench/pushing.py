"""Measures without a worker: push, push_many, and the memory of a message."""

from __future__ import annotations

from collections.abc import Iterator

from taskq.clock import monotonic
from taskq.errors import ServerRefused
from taskq.tools.bench.figures import Figure, figure
from taskq.tools.bench.place import Place
from taskq.tools.bench.plan import Plan, Viewer

__all__ = ["fill", "memory", "push"]

#: Messages in one call of push_many, as a program would do it that has very many.
_CHUNK = 10_000
#: Seconds after which a round of single pushes ends early: the server is far away, and as many as this show it.
_LONGEST = 10.0
_BETWEEN_LOOKS = 10
_HOUR = 3600
#: More show nothing new: what the key itself takes is long negligible.
_WEIGHED = 10_000


def push(place: Place, plan: Plan, viewer: Viewer) -> Figure:
    """Push one message after the other, from this process."""
    rates = []
    for number in range(plan.rounds):
        done, began = 0, monotonic()
        while done < plan.singles and monotonic() - began < _LONGEST:
            viewer.show("push", number * plan.singles + done, plan.rounds * plan.singles)
            for _ in range(_BETWEEN_LOOKS):
                place.app.nothing.push(plan.arguments)
            done += _BETWEEN_LOOKS
        rates.append(done / (monotonic() - began))
        place.clear()
    return figure("jobs/s", rates)


def fill(place: Place, plan: Plan, viewer: Viewer) -> Figure:
    """Push all jobs of every round with push_many, and keep the jobs of each round under a separate key."""
    rates = []
    for number in range(plan.rounds):
        done, began = 0, monotonic()
        for chunk in _chunks(plan.jobs):
            place.app.nothing.push_many([(plan.arguments,)] * chunk)
            done += chunk
            viewer.show("push_many", number * plan.jobs + done, plan.rounds * plan.jobs)
        rates.append(plan.jobs / (monotonic() - began))
        place.shelve()
    return figure("jobs/s", rates)


def memory(place: Place, plan: Plan, viewer: Viewer) -> dict[str, Figure]:
    """Weigh what is waiting, and what is delayed, on the server."""
    job, found = place.app.nothing, {}
    number = min(plan.jobs, _WEIGHED)
    for done, (state, key, chosen) in enumerate(
        (("waiting", place.keys.waiting, job.options()), ("delayed", place.keys.delayed, job.options(delay=_HOUR)))
    ):
        viewer.show("memory", done, 2)
        chosen.push_many([(plan.arguments,)] * number)
        found[f"memory_{state}"] = _weigh(place, key, number)
        place.clear()
    return found


def _weigh(place: Place, key: str, number: int) -> Figure:
    try:
        size = place.ask("MEMORY", "USAGE", key, "SAMPLES", 0)
    except ServerRefused as error:
        return Figure(unit="bytes/job", note=str(error))
    return figure("bytes/job", [size / number])


def _chunks(number: int) -> Iterator[int]:
    while number > 0:
        yield min(number, _CHUNK)
        number -= _CHUNK
