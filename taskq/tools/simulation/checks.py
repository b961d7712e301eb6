"""The rules that hold after every step: a registry, so that each new capability of taskq adds its own.

A check gets the simulated system after a command was executed, and raises `Violation`.
"""

from __future__ import annotations

from collections.abc import Callable

from taskq.tools.simulation.ledger import COUNTED, Entry
from taskq.tools.simulation.party import Violation
from taskq.tools.simulation.store import Snapshot
from taskq.tools.simulation.system import Check, System
from taskq.worker_id import lease_of

__all__ = ["CHECKS", "check"]

_DEAD = ("failed", "timeout")
#: The checks by name, in the order in which they run.
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register a check."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


@check("one place")
def one_place(system: System, snapshot: Snapshot) -> None:
    """A stored message is in exactly one place."""
    for identity, places in snapshot.places.items():
        if len(places) > 1:
            raise Violation("one place", f"{system.ledger.by_id[identity]} is in {' and in '.join(places)}")


@check("nothing lost")
def nothing_lost(system: System, snapshot: Snapshot) -> None:
    """A message disappears only because it has finished, or because a user cancelled or deleted it."""
    for entry in system.ledger.entries:
        places = snapshot.places.get(entry.identity, [])
        place = places[0] if places else ""
        if place == entry.place:
            continue
        system.progress()
        entry.was_stored = True
        if not place and not (entry.is_cancelled or entry.is_withdrawn):
            runs = entry.runs_now()
            if not any(run.outcome in ("ok", "drop") for run in runs):
                raise Violation("nothing lost", f"{entry} disappeared from {entry.place} without a finished run")
        if not place:
            _stored_result(entry, snapshot)
        if place in _DEAD:
            _explain_dead_letter(system, entry, place)
        elif entry.place in _DEAD and place:  # reloaded: its attempts are counted from zero, and earlier cancel requests are over
            entry.life, entry.is_cancelled, entry.asked_at = len(entry.runs), entry.cancelling > 0, 0.0
        entry.place = place


def _explain_dead_letter(system: System, entry: Entry, place: str) -> None:
    """A message is in failed or timeout only when its attempts or its crashes are used up."""
    outcomes = [run.outcome for run in entry.runs_now()]
    counted = sum(1 for one in outcomes if one in (*COUNTED, "killed"))
    if counted < min(system.settings.max_attempts, system.settings.max_crashes + 1):
        raise Violation("dead letters explained", f"{entry} is in {place} after {outcomes}")


@check("one holder")
def one_holder(system: System, snapshot: Snapshot) -> None:
    """The message of a running job is reserved by its worker, unless no heartbeat of that worker has arrived for a lease."""
    for run in list(system.ledger.open):
        places = snapshot.places.get(run.entry.identity, [])
        if f"reserved:{run.worker}" in places:
            continue
        silent = system.world.now - system.beats.get(run.worker, 0.0)
        excuse = f"no heartbeat for {silent:.1f} s" if silent >= lease_of(run.worker) else ""
        system.ledger.left(run, places[0] if places else "", excuse)


@check("attempts explained")
def attempts_explained(system: System, snapshot: Snapshot) -> None:
    """Every counted attempt is a run that failed, or that was killed beyond its time limit."""
    for identity, attempts in snapshot.attempts.items():
        if not attempts:
            continue
        entry = system.ledger.by_id[identity]
        counted = sum(1 for run in entry.runs_now() if run.outcome in COUNTED or (run.outcome == "killed" and run.is_late))
        if attempts > counted:
            outcomes = [run.outcome for run in entry.runs_now()]
            raise Violation("attempts explained", f"{entry} in {entry.place} has {attempts} counted attempts after {outcomes}")


def _stored_result(entry: Entry, snapshot: Snapshot) -> None:
    """The final state of a message is stored in the step that removes it."""
    if entry.result_ttl and not entry.is_withdrawn and f"result:{entry.hex_id}" not in snapshot.keys:
        raise Violation("result stored", f"{entry} has finished, and its result is not stored")
