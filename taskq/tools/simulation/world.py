"""The scheduler: parties take turns, one at a time, in virtual time and in an order that the seed decides.

The code of workers and supervisors blocks, so each party is a thread. But only one thread runs: a party that waits picks the next
one, and passes control to it. Code between two waits takes no virtual time. A thread starts with the first turn of its party.
"""

from __future__ import annotations

import _thread
import heapq
import traceback
from collections.abc import Callable, Iterable
from math import inf
from random import Random

from taskq.tools.simulation.party import Death, Party, Source, Violation, held_lock

__all__ = ["World"]

#: The virtual monotonic clock begins here, and the server's clock at this moment of 2026.
BEGIN = 1000.0
_LEAST = 1e-6
EPOCH_MS = 1_780_000_000_000


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
        self._main = held_lock()
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

    def wait(self, ready: Callable[[], bool] | None = None, seconds: float = inf, on: Iterable[Source] = ()) -> bool:
        """Wait for a condition, at most `seconds`; return whether it holds. Other parties run meanwhile.

        Args:
            ready: the condition.
            seconds: the longest wait.
            on: all sources that the condition depends on. Without any, it is evaluated after each step of any party.
        """
        me = self.current
        if me is None or me.is_dead or self.is_over:
            raise Death
        # Code takes time: a loop that waits for nothing until a moment is over must reach that moment.
        me.ready, me.deadline = ready, self.now + max(_LEAST, seconds)
        me.must_look, me.has_sources = ready is not None, bool(on)
        for source in on:
            source.waiters.add(me)
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
        return party

    def kill(self, party: Party) -> None:
        """End a party at once, as SIGKILL does: it never continues."""
        if party.is_dead or party.has_ended or self.is_over:
            return
        party.is_dead = True
        self.parties.remove(party)
        if party.at_end is not None:
            party.at_end()
        if party is not self.current and party.thread != _thread.get_ident():
            self._unwind(party)
        # Otherwise its own thread does this: it ends as soon as it waits.

    def _unwind(self, party: Party) -> None:
        before = self.current, self._dying
        self.current = self._dying = party
        party.unwind()
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
        if other is None:
            self._main.release()
        else:
            other.resume()

    def _next(self) -> Party | None:
        """Return the party that runs next; None ends the run. Time passes only when none can run."""
        self.current = None
        timers = self._timers
        try:
            while not self.is_over:
                if timers and timers[0][0] <= self.now:
                    heapq.heappop(timers)[2]()
                    continue
                able, soonest = self._able()
                if able:
                    return able[0] if len(able) == 1 else self.random.choice(able)
                if soonest == inf:
                    raise Violation("ends", "nothing can happen any more")
                self.now = soonest
        except Violation as found:
            self.fail(found)
        except Exception:
            self.fail(Violation("no crash", f"the simulation failed:\n{traceback.format_exc()}"))
        return None

    def _able(self) -> tuple[list[Party], float]:
        """Return the parties that can run now, and when something happens if there are none. Most of a run's time passes here."""
        now, able = self.now, []
        soonest = self._timers[0][0] if self._timers else inf
        for one in self.parties:
            if one.frozen_until > now:
                soonest = min(soonest, one.frozen_until)
            elif one.deadline <= now or one.interrupts or (one.must_look and one.ready is not None and one.ready()):
                able.append(one)
            else:
                one.must_look = not one.has_sources
                soonest = min(soonest, one.deadline)
        return able, soonest
