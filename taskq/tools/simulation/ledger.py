"""The ledger: what was pushed, what ran, and what a fault explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from taskq.tools.simulation.party import Violation
from taskq.tools.simulation.world import World

__all__ = ["COUNTED", "Entry", "Ledger", "Run", "Step"]

#: The first bytes of every message id of a simulation; the number of the message follows.
MARK = b"simulation--"


#: The ends of a run that count an attempt.
COUNTED = ("raise", "retry", "timeout")


class Step(NamedTuple):
    """One attempt of a job: it takes some seconds, and ends with "ok", "raise", "retry", "requeue", "drop" or "hang"."""

    seconds: float
    outcome: str


class Run:
    """One run of a message."""

    def __init__(self, entry: Entry, worker: str, started: float) -> None:
        self.entry = entry
        self.worker = worker
        self.started = started
        self.is_interruptible = True
        #: True once it has run for longer than its limit.
        self.is_late = False
        #: None while it runs; then as in `Step`, or "timeout", "cancelled" or "killed".
        self.outcome: str | None = None
        #: Why another run may follow although this one has succeeded or still runs; "" if it may not.
        self.excuse = ""


class Entry:
    """One message: the plan for its runs, and their outcomes."""

    def __init__(self, number: int, steps: tuple[Step, ...], on_fail: float, result_ttl: float) -> None:
        self.number = number
        self.identity = MARK + number.to_bytes(4, "big")
        self.steps = steps
        #: How long its on_fail takes.
        self.on_fail = on_fail
        self.result_ttl = result_ttl
        self.runs: list[Run] = []
        #: The index of the first run since the push or the last reload.
        self.life = 0
        #: Its bytes, once it is pushed.
        self.raw = b""
        self.is_accepted = False
        #: True once the server had it.
        self.was_stored = False
        self.is_cancelled = False
        #: When its worker was asked to interrupt it; 0.0: it was not.
        self.asked_at = 0.0
        #: True once a cancel has removed it.
        self.is_removed = False
        #: How many users are cancelling it at this moment.
        self.cancelling = 0
        self.is_withdrawn = False
        self.place = ""
        #: The users that begin at the start of a run of this number.
        self.waiting_for_run: dict[int, list[Callable[[], object]]] = {}

    def __str__(self) -> str:
        return f"message #{self.number}"

    @property
    def hex_id(self) -> str:
        return self.identity.hex()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that each run must have. Every other message has none."""
        return {"number": str(self.number)} if self.number % 2 == 0 else {}

    def runs_now(self) -> list[Run]:
        """Return the runs since the push or the last reload."""
        return self.runs[self.life :]

    def next_step(self) -> Step:
        done = len(self.runs_now())
        return self.steps[done] if done < len(self.steps) else Step(0.0, "ok")


class Ledger:
    """All messages of a simulation, and the rules for their runs."""

    def __init__(self, world: World, entries: list[Entry], max_attempts: int, limit: float) -> None:
        """`limit` is the time limit of every run; 0: none."""
        self.limit = limit
        self._world = world
        self._max_attempts = max_attempts
        self.entries = entries
        self.by_id = {entry.identity: entry for entry in entries}
        self.by_number = {entry.number: entry for entry in entries}
        self.open: list[Run] = []
        self.count = 0

    def start(self, identity: bytes, worker: str, headers: Mapping[str, str]) -> Run:
        """Note the start of a run; it must be explained, and have the headers of the push.

        Raises:
            Violation: nothing explains it.
        """
        entry = self.by_id[identity]
        if headers != entry.headers:
            raise Violation("headers kept", f"{entry} starts in {worker} with the headers {headers}")
        if entry.is_removed:
            raise Violation("cancelled", f"{entry} starts in {worker} although a cancel had removed it")
        before = entry.runs_now()
        for one in before:
            if one.outcome is None and not one.excuse:
                raise Violation("one holder", f"{entry} starts in {worker} while it runs in {one.worker}")
        if before and (last := before[-1]).outcome in ("ok", "drop", "cancelled") and not last.excuse:
            raise Violation("runs explained", f"{entry} starts in {worker} although its run in {last.worker} ended: {last.outcome}")
        counted = sum(1 for one in before if one.outcome in COUNTED and not one.excuse)
        if counted >= self._max_attempts:
            raise Violation("runs explained", f"{entry} starts in {worker} after {counted} counted attempts")
        run = Run(entry, worker, self._world.now)
        entry.runs.append(run)
        self.open.append(run)
        self.count += 1
        return run

    def process_ended(self, worker: str) -> None:
        """Note that a worker process has ended: its unsettled runs may be followed by others."""
        for run in [one for one in self.open if one.worker == worker]:
            if run.outcome is None:
                run.outcome = "killed"
                run.is_late = 0 < self.limit <= self._world.now - run.started
            else:
                run.excuse = "its process ended before it was settled"
            self._close(run)

    def _close(self, run: Run) -> None:
        self.open.remove(run)

    def left(self, run: Run, place: str, excuse: str) -> None:
        """Note that a message left its worker's reserved list during its run.

        Raises:
            Violation: it was taken from a healthy worker.
        """
        entry = run.entry
        gone = place == ""
        expected = run.outcome is not None and (gone or run.outcome not in ("ok", "drop", "cancelled"))
        if excuse and place.startswith(("waiting", "reserved")):  # rescued, before the outcome was settled
            expected = False
        if not expected:
            what = "runs" if run.outcome is None else f"ended: {run.outcome}"
            if not excuse:
                raise Violation("one holder", f"{entry} was taken from {run.worker}, where it {what}, to {place or 'nowhere'}")
            run.excuse = excuse
        self._close(run)
