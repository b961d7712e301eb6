"""The chaos from the first push to the verdict. What it looks like is the viewer's matter."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple, Protocol

import msgspec

from taskq.clock import monotonic
from taskq.errors import ServerError
from taskq.tools.chaos.caller import Caller
from taskq.tools.chaos.faults.table import FAULTS
from taskq.tools.chaos.judge import Verdict, judge
from taskq.tools.chaos.ledger import Book
from taskq.tools.chaos.pusher import Order, Pusher
from taskq.tools.chaos.server import Left
from taskq.tools.chaos.site import Site
from taskq.tools.chaos.stage import Fault, Stage
from taskq.tools.chaos.workers import WorkerSet
from taskq.wire.history import records
from taskq.wire.message import Message

__all__ = ["Plan", "Report", "Run", "Scene", "Viewer"]

_TICK = 0.02
_LOOK = 0.25
#: Mean seconds between two faults.
_GAP = 0.6
#: How long nothing may be done while something is left, after the last fault; more when it is only delayed, but not forever.
_DRAIN = 60.0
_LONGEST_DRAIN = 600.0
#: How long after the last job its caller may take to have its answer.
_ANSWERS = 15.0
#: The queue is empty if this many looks in a row find nothing.
_SURE = 4


class Plan(NamedTuple):
    """The options of a run."""

    seconds: float
    seed: int
    jobs: int
    supervisors: int
    processes: int
    faults: Sequence[str]


class Scene(NamedTuple):
    """A snapshot of the run, for the view."""

    act: str
    seconds: float
    book: Book
    jobs: int
    left: Left | None
    faults: Sequence[Fault]


class Viewer(Protocol):
    """Protocol: shows the progress of a run."""

    def show(self, scene: Scene) -> None: ...


class Report(msgspec.Struct, kw_only=True):
    """How it ended."""

    seed: int
    #: From the first push until all was done.
    seconds: float
    drain_seconds: float
    verdict: Verdict
    faults: dict[str, int]
    #: Keys, and messages set aside, that should not be there.
    leftovers: list[str]
    problems: list[str]
    stopped: bool

    @property
    def is_good(self) -> bool:
        """True when nothing was lost, nothing is left, and every repetition has its reason."""
        return self.verdict.is_good and not self.leftovers and not self.problems


class Run:
    """One chaos."""

    def __init__(self, site: Site, plan: Plan, viewer: Viewer) -> None:
        self._site = site
        self._plan = plan
        self._viewer = viewer
        self._chance = random.Random(plan.seed)
        self._book = Book(site.ledger)
        queues = [site.apps[index % len(site.apps)].queue for index in range(plan.supervisors)]
        self._workers = WorkerSet(queues, site.directory, plan.processes)
        self._stage = Stage(site, self._workers, self._book, self._chance)
        self._faults: list[Fault] = []
        self._problems: list[str] = []
        self._left: Left | None = None
        self._look_at = 0.0
        self._began = monotonic()

    def play(self) -> Report:
        """Push and break, then repair and wait, then judge."""
        self._workers.fill(monotonic())
        self._wait_for_workers()
        self._began = calm = monotonic()
        with ExitStack() as stack:
            stack.callback(self._end_workers)
            pushers = self._start_pushers()
            caller = Caller(self._site.apps, self._site.ledger, self._plan.seed)
            stack.callback(caller.join, 0.0)
            for pusher in pushers:
                stack.callback(pusher.close)
            stack.callback(self._stage.undo, float("inf"))
            self._storm()
            self._stage.undo(float("inf"))
            if self._site.relay is not None:
                self._site.relay.deliver()  # a push that arrives after the drain would be left
            self._site.server.set_clock_latest()
            caller.stop()
            for pusher in pushers:
                pusher.close()
                if pusher.code:
                    self._problems.append(f"a pusher ended with code {pusher.code}; the reason is in pusher.log")
            calm = monotonic()
            self._drain()
            if not self._site.stop.wanted and (code := caller.join(_ANSWERS)) != 0:
                text = f"ended with code {code}; see caller.log" if code is not None else "still waited for answers"
                self._problems.append(f"the process that waits for answers {text}")
        return self._report(calm, monotonic())

    def _report(self, calm: float, done: float) -> Report:
        stopped = self._site.stop.wanted
        leftovers = [] if stopped else self._leftovers()
        self._book.read()
        lines = [f"{fault.begin:.3f} to {fault.end or done:.3f} {fault.kind}: {fault.text}\n" for fault in self._faults]
        (self._site.directory / "faults.log").write_text("".join(lines), encoding="ascii")
        return Report(
            seed=self._plan.seed,
            seconds=round(done - self._began, 1),
            drain_seconds=round(done - calm, 1),
            verdict=judge(self._book, self._faults, self._workers.history, done, stopped=stopped),
            faults=dict(Counter(fault.kind for fault in self._faults)),
            leftovers=leftovers,
            problems=self._problems,
            stopped=stopped,
        )

    # ---- the acts

    def _wait_for_workers(self) -> None:
        wanted = self._plan.supervisors * self._plan.processes
        deadline = monotonic() + 30.0
        while len(self._book.births) < wanted and monotonic() < deadline and not self._site.stop.wanted:
            self._tick("starting")

    def _start_pushers(self) -> list[Pusher]:
        """One for each way to the server: what delays the one doesn't delay the other."""
        apps, plan = self._site.apps, self._plan
        orders = [Order(first, len(apps), plan.jobs, plan.seconds, plan.seed, self._site.ledger) for first in range(len(apps))]
        return [Pusher(app, order) for app, order in zip(apps, orders, strict=True)]

    def _storm(self) -> None:
        chance, plan = self._chance, self._plan
        until = monotonic() + plan.seconds
        next_at = monotonic() + chance.expovariate(1 / _GAP)
        weights = [FAULTS[name].weight for name in plan.faults]
        while (now := monotonic()) < until and not self._site.stop.wanted:
            if plan.faults and now >= next_at:
                next_at = now + chance.expovariate(1 / _GAP)
                fault = FAULTS[chance.choices(plan.faults, weights)[0]].begin(self._stage)
                if fault is not None:
                    self._faults.append(fault)
            self._stage.undo(now)
            self._tick("storm")

    def _drain(self) -> None:
        """Wait until nothing is left to do, and only living workers are registered."""
        began = moved = monotonic()
        done = still = 0
        while still < _SURE and not self._site.stop.wanted:
            self._look_at = 0.0
            self._tick("drain")
            left, now = self._left, monotonic()
            if len(self._book.done) != done:
                done, moved = len(self._book.done), now
            is_stuck = now - moved > _DRAIN and (left is None or left.next_ms < 1000)
            if is_stuck or now - began > _LONGEST_DRAIN:
                self._problems.append(f"not all is done {now - began:.0f} s after the last fault")
                return
            idle = left is not None and not left.total and not left.supervisors - self._workers.pids
            still = still + 1 if idle else 0

    def _end_workers(self) -> None:
        for worker in self._workers:
            if worker.free_until is None:
                worker.kill() if self._site.stop.wanted else worker.stop()
        while not self._workers.are_empty:
            self._problems += self._workers.collect(float("inf"), self._book.parents)
            self._show("ending")
            time.sleep(_TICK)
        for worker in self._workers:
            worker.close()

    def _leftovers(self) -> list[str]:
        server = self._site.server
        try:
            return [f"key {key}" for key in server.unexpected()] + [_aside(raw) for raw in server.aside()]
        except ServerError as error:
            return [f"the server can't be asked what is left: {error}"]

    # ---- looking

    def _tick(self, act: str) -> None:
        self._problems += self._workers.collect(self._chance.choice([0.0, 0.5, 3.0]), self._book.parents)
        now = monotonic()
        self._workers.fill(now)
        self._book.read()
        # A server that is down or paused would hold up everything else here.
        if now >= self._look_at and not self._stage.server_busy:
            self._left = self._site.server.look()
            self._look_at = now + _LOOK
        self._show(act)
        time.sleep(_TICK)

    def _show(self, act: str) -> None:
        self._viewer.show(Scene(act, monotonic() - self._began, self._book, self._plan.jobs, self._left, self._faults))


def _aside(raw: bytes) -> str:
    """A message that was set aside, and why."""
    message = Message(raw)
    history = records(message.history_bytes())
    last = f"{history[-1].kind}: {history[-1].error}" if history else "without a history"
    return f"message {message.hex_id} set aside after {message.attempts} attempts and {message.crashes} crashes, {last}"
