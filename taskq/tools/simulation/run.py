"""Runs one scenario, and many."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from taskq.config import ChannelSettings
from taskq.queue import Queue
from taskq.tools.simulation import here
from taskq.tools.simulation.checks import CHECKS
from taskq.tools.simulation.faults import PendingFaults
from taskq.tools.simulation.ledger import Entry
from taskq.tools.simulation.machine import Host
from taskq.tools.simulation.party import Party, Violation
from taskq.tools.simulation.scenario import Act, MessagePlan, Scenario
from taskq.tools.simulation.store import Store
from taskq.tools.simulation.system import JOB, URL, System
from taskq.tools.simulation.users import act, push
from taskq.tools.simulation.world import BEGIN, World

__all__ = ["PREFIX", "Outcome", "Simulator"]

#: The channel, and the prefix of its keys.
PREFIX = "simulated"
#: Virtual seconds after which a run is surely stuck.
_LONGEST = 100_000.0


class Outcome(NamedTuple):
    """The end of one run."""

    failure: Violation | None
    history: list[str]
    #: Commands sent, runs of jobs, and virtual seconds.
    commands: int
    runs: int
    seconds: float


class Simulator:
    """Runs scenarios on one server. Use it within `substituted()`."""

    def __init__(self, url: str, directory: Path) -> None:
        """`directory` ends the search for settings, so that the user's own change nothing."""
        self._store = Store(url, PREFIX)
        (directory / "taskq.toml").touch()
        self._queue = Queue(URL, channels={PREFIX: {}}, serializer="pickle", directory=directory)
        self._queue._configure(msgspec.structs.replace(self._queue.settings, secrets=()))
        self._queue.job(name=JOB, channel=PREFIX, on_fail=_on_fail)(_job)

    def close(self) -> None:
        self._store.close()

    def run(self, scenario: Scenario, *, tracing: bool = False) -> Outcome:
        """Run one scenario: the same each time."""
        random.seed(f"product {scenario.seed}")
        self._store.open()
        world = World(scenario.seed, tracing)
        system = self._system(world, scenario)
        here.put(system)
        try:
            _Course(system, scenario).begin()
            world.run(BEGIN + _LONGEST)
        finally:
            world.is_over = True  # after Ctrl-C, too
            here.put(None)
        return Outcome(world.failure, world.history, system.network.steps, system.ledger.count, world.now - BEGIN)

    def _system(self, world: World, scenario: Scenario) -> System:
        limits: Any = {"handle_timeout": scenario.handle_timeout, "max_attempts": scenario.max_attempts, "retry_seconds": 0.5}
        base = ChannelSettings(name=PREFIX, stop_timeout=10.0, **limits)
        entries = [Entry(plan.number, plan.steps, plan.on_fail, plan.result_ttl) for plan in scenario.messages]
        system = System(world, self._store, self._queue, base, entries, tuple(CHECKS.values()))
        for number, plan in enumerate(scenario.hosts):
            system.hosts.append(
                Host(system, number, plan.processes, msgspec.structs.replace(base, lease=plan.lease, concurrency=plan.concurrency))
            )
        return system


class _Course:
    """The course of one run: the parties, the users, the faults, and the end."""

    def __init__(self, system: System, scenario: Scenario) -> None:
        self._system = system
        self._scenario = scenario
        self._pending_faults = PendingFaults(system, scenario.faults)
        self._users: list[Party] = []
        longest = max((step.seconds for plan in scenario.messages for step in plan.steps), default=0.0)
        #: Without progress for this long, something is stranded: a rescue, the longest job, and one more lease.
        self._lease = max(plan.lease for plan in scenario.hosts)
        self._patience = 4 * self._lease + 2 * longest + 30.0

    def begin(self) -> None:
        system, scenario, world = self._system, self._scenario, self._system.world
        system.network.on_send, system.on_run = self._pending_faults.on_send, self._pending_faults.on_run
        self._add_lost_workers(scenario.lost_workers)
        for host in system.hosts:
            host.start(world.random.uniform(0.0, 0.1))
        by_number = system.ledger.by_number
        for plan in scenario.messages:
            self._begin_push(plan, by_number[plan.number])
        for one in scenario.acts:
            if one.number in by_number:
                self._begin_act(one, by_number[one.number])
        world.later(1.0, self._look)

    def _begin_push(self, plan: MessagePlan, entry: Entry) -> None:
        world = self._system.world
        delay = self._scenario.quiet + plan.at
        self._users.append(world.begin(f"program{entry.number}", lambda: push(self._system, plan, entry, JOB), "program", delay))

    def _begin_act(self, plan: Act, entry: Entry) -> None:
        world = self._system.world

        def begin() -> None:
            self._users.append(world.begin("user", lambda: act(self._system, plan, entry), "user", plan.at))

        if plan.run:
            entry.waiting_for_run.setdefault(plan.run, []).append(begin)
        else:
            world.later(self._scenario.quiet, begin)

    def _add_lost_workers(self, count: int) -> None:
        if count:
            world = self._system.world
            names = [f"gone:x:1:{number:08x}t86400" for number in range(count)]
            words = [word for name in names for word in (world.server_ms() - 100_000, name)]
            self._system.network.store.execute(("ZADD", "{" + PREFIX + "}:workers", *words), world.server_ms(), look=False)

    def _look_at_cancels(self) -> None:
        """A job is interrupted soon after its worker was asked to do so, unless it ignores everything."""
        now = self._system.world.now
        for run in self._system.ledger.open:
            entry, begun = run.entry, max(run.entry.asked_at, self._system.disturbed)
            if run.outcome is None and run.started < entry.asked_at and now - begun > self._lease + 5.0 and run.is_interruptible:
                raise Violation("cancelled", f"{entry} still runs in {run.worker}, {now - begun:.0f} s after its user cancelled it")

    def _look(self) -> None:
        """End the run when all is done; fail it when progress has stopped."""
        system, world = self._system, self._system.world
        self._look_at_cancels()
        left = [entry for entry in system.ledger.entries if entry.place not in ("", "failed", "timeout")]
        for entry in system.ledger.entries:
            if entry.is_accepted and not entry.was_stored:
                raise Violation("nothing lost", f"{entry} was accepted and never stored")
        if not left and not system.network.held and all(user.has_ended for user in self._users) and world.now > system.progressed:
            world.end()
            return
        due = [moment for entry in left if (moment := system.snapshot.due.get(entry.identity)) is not None]
        if due and len(due) == len(left) and min(due) > world.server_ms():
            system.progress()
            if min(due) > world.server_ms() + 60_000:
                world.server_offset_ms = 0  # an operator corrects the server's clock: due times follow it
        elif left and world.now - system.progressed > self._patience:
            places = ", ".join(f"{entry} in {entry.place}" for entry in left)
            raise Violation("nothing stranded", f"no progress for {world.now - system.progressed:.0f} s: {places}")
        world.later(1.0, self._look)


def _job(number: int) -> object:
    return here.system().job(number)


def _on_fail(error: BaseException) -> None:
    here.system().on_fail()
