"""All measures, one after the other."""

from __future__ import annotations

from taskq.errors import ServerRefused
from taskq.tools.bench.figures import Figure
from taskq.tools.bench.place import Place
from taskq.tools.bench.plan import Plan, Viewer
from taskq.tools.bench.pushing import fill, memory, push
from taskq.tools.bench.working import drain, latency, lateness

__all__ = ["run", "server_version"]


def run(place: Place, plan: Plan, viewer: Viewer) -> dict[str, Figure]:
    """Take the measures of the plan.

    Raises:
        TaskqError: the server can't be used, or the worker doesn't work.
    """
    wanted, found = plan.measures, dict[str, Figure]()
    # The first push opens a connection and loads modules: it says nothing about the second.
    place.app.nothing.push(plan.arguments).delete()
    if "push" in wanted:
        found["push"] = push(place, plan, viewer)
    if "memory" in wanted:
        found |= memory(place, plan, viewer)
    if wanted & {"push_many", "drain", "cpu"}:
        found["push_many"] = fill(place, plan, viewer)
    if wanted & {"drain", "cpu", "latency", "lateness"}:
        place.start_worker(plan.processes)
    if wanted & {"drain", "cpu"}:
        found |= drain(place, plan, viewer)
    if "latency" in wanted:
        found["latency"] = latency(place, plan, viewer)
    if "lateness" in wanted:
        found["lateness"] = lateness(place, plan, viewer)
    return {name: one for name, one in found.items() if name in wanted or name.partition("_")[0] in wanted & {"memory", "cpu"}}


def server_version(place: Place) -> str:
    """Return the server's version, such as "Valkey 9.1.2".

    Raises:
        ServerTooOld: taskq can't use it.
    """
    driver = place.sender.driver
    try:
        return driver.check_version(place.sender.call(driver.version()))
    except ServerRefused:
        return "a server of unknown version"
