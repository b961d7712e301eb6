"""The scheduler: parties take turns, one at a time, in virtual time and in an order that the seed decides.

The code of workers and supervisors blocks, so each party is a thread. But only one thread runs: a party that waits picks the next
one, and passes control to it. Code between two waits takes no virtual time.
"""

from __future__ import annotations

import heapq
import threading
import traceback
from collections.abc import Callable
from math import inf
from random import Random

__all__ = ["Death", "Party", "Violation", "World"]

#: The virtual monotonic clock begins here, and the server's clock at this moment of 2026.
BEGIN = 1000.0
_LEAST = 1e-6
EPOCH_MS = 1_780_000_000_000


def _baton() -> threading.Lock:
    """Return a lock that is held: to release it passes control to the thread that acquires it."""
    baton = threading.Lock()
    baton.acquire()
    return baton


class Death(BaseException):
    """Ends the thread of a party that was killed. The rest of its code has no effect."""


class Violation(Exception):
    """A broken rule: the name of the check, and what it saw."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check


class Party:
    """One process of the simulated system, as a thread that runs only when it has the turn."""

    def __init__(self, world: World, name: str, body: Callable[[], object], machine: str) -> None:
        self.name = name
        self.machine = machine
        self.is_dead = False
        self.has_ended = False
        self.frozen_until = 0.0
        #: It waits for a condition, a moment, or both.
        self.ready: Callable[[], bool] | None = None
        self.deadline = inf
        #: Called before it continues: signals that have arrived.
        self.interrupts: list[Callable[[], object]] = []
        #: Called once it has ended, by itself or by being killed.
        self.at_end: Callable[[], object] | None = None
        self.turn = _baton()
        self._world = world
        self._body = body
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        self.turn.acquire()
        try:
            if not self.is_dead:
                self._body()
        except Death:
            pass
        except Violation as found:
            self._world.fail(found)
        except BaseException:
            if not self.is_dead:
                self._world.fail(Violation("no crash", f"{self.name} failed:\n{traceback.format_exc()}"))
        self.has_ended = True
        self._world.leave(self)


class World:
    """The parties, the virtual clock and the seeded choices of one run."""

    def __init__(self, seed: int, tracing: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = BEGIN
        #: How far the server's clock is from true time, in milliseconds.
        self.server_offset_ms = 0
        self.parties: list[Party] = []
        self.failure: Violation | None = None
        self.is_over = False
        self.history: list[str] = []
        self._tracing = tracing
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0
        self._main = _baton()
        #: The party that has the turn; None while the scheduler acts on its own.
        self.current: Party | None = None
        self._dying: Party | None = None

    # ---- the clocks

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return EPOCH_MS + int((self.now - BEGIN) * 1000)

    def server_ms(self) -> int:
        return self.now_ms() + self.server_offset_ms

    # ---- for parties

    def wait(self, ready: Callable[[], bool] | None = None, seconds: float = inf) -> bool:
        """Wait for a condition, at most `seconds`; return whether it holds. Other parties run meanwhile."""
        me = self.current
        if me is None or me.is_dead or self.is_over:
            raise Death
        # Code takes time: a loop that waits for nothing until a moment is over must reach that moment.
        me.ready, me.deadline = ready, self.now + max(_LEAST, seconds)
        while True:
            self._pass_on(me)
            interrupts, me.interrupts = me.interrupts, []
            for one in interrupts:
                one()
            if ready is not None and ready():
                return True
            if self.now >= me.deadline:
                return False

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass for the party that has the turn."""
        self.wait(None, seconds)

    def _pass_on(self, me: Party) -> None:
        other = self._next()
        if me.is_dead:  # killed by what happened meanwhile; `leave` picks the next party
            self.current = me
            raise Death
        if other is me:
            self.current = me
            return
        self._give(other)
        me.turn.acquire()
        if me.is_dead or self.is_over:
            raise Death

    # ---- for the scheduler

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Do something at a moment of virtual time."""
        self._count += 1
        heapq.heappush(self._timers, (moment, self._count, action))

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        self.at(self.now + seconds, action)

    def begin(self, name: str, body: Callable[[], object], machine: str = "", delay: float = 0.0) -> Party:
        """Start a party after a delay."""
        party = Party(self, name, body, machine)
        party.deadline = self.now + delay
        self.parties.append(party)
        party.thread.start()
        return party

    def kill(self, party: Party) -> None:
        """End a party at once, as SIGKILL does: it never continues."""
        if party.is_dead or party.has_ended or self.is_over:
            return
        party.is_dead = True
        self.parties.remove(party)
        if party.at_end is not None:
            party.at_end()
        if party is not self.current and party.thread is not threading.current_thread():
            self._unwind(party)
        # Otherwise its own thread does this: it ends as soon as it waits.

    def _unwind(self, party: Party) -> None:
        before = self.current, self._dying
        self.current = self._dying = party
        party.turn.release()
        party.thread.join()
        self.current, self._dying = before

    def run(self, until: float) -> None:
        """Let the parties run until `end` is called, or fail."""
        self.at(until, lambda: self.fail(Violation("ends", f"not over after {until - BEGIN:.0f} virtual seconds")))
        other = self._next()
        if other is not None:
            self._give(other)
            self._main.acquire()
        self.is_over = True
        for party in self.parties:
            party.is_dead = True
            self._unwind(party)

    def end(self) -> None:
        self.is_over = True

    def fail(self, found: Violation) -> None:
        """Note a broken rule. The first one ends the run."""
        self.failure = self.failure or found
        self.is_over = True

    def trace(self, who: str, what: str) -> None:
        if self._tracing:
            self.history.append(f"{self.now - BEGIN:9.4f}  {who:<14} {what}")

    @property
    def is_tracing(self) -> bool:
        return self._tracing

    def leave(self, party: Party) -> None:
        """Pass control on at the end of a party's thread."""
        if self._dying is party:
            return  # the party that killed it continues
        if not party.is_dead:
            self.parties.remove(party)
            if party.at_end is not None and not self.is_over:
                self.current = None
                party.at_end()
        self._give(self._next())

    def _give(self, other: Party | None) -> None:
        self.current = other
        (self._main if other is None else other.turn).release()

    def _next(self) -> Party | None:
        """Return the party that runs next; None ends the run. Time passes only when none can run."""
        self.current = None
        try:
            while not self.is_over:
                if self._timers and self._timers[0][0] <= self.now:
                    heapq.heappop(self._timers)[2]()
                    continue
                now = self.now
                able = [one for one in self.parties if one.frozen_until <= now and self._can_run(one)]
                if able:
                    return able[0] if len(able) == 1 else self.random.choice(able)
                self._advance()
        except Violation as found:
            self.fail(found)
        except Exception:
            self.fail(Violation("no crash", f"the simulation failed:\n{traceback.format_exc()}"))
        return None

    def _can_run(self, party: Party) -> bool:
        return bool(party.interrupts) or party.deadline <= self.now or (party.ready is not None and party.ready())

    def _advance(self) -> None:
        moments = [max(one.deadline, one.frozen_until) for one in self.parties]
        moments += [one.frozen_until for one in self.parties if one.frozen_until > self.now]
        if self._timers:
            moments.append(self._timers[0][0])
        soonest = min((one for one in moments if one > self.now), default=inf)
        if soonest == inf:
            raise Violation("ends", "nothing can happen any more")
        self.now = soonest
