"""What faults act on: everybody who can be hit, and what is still to be undone."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from taskq.clock import monotonic
from taskq.tools.chaos.app import LEASE
from taskq.tools.chaos.ledger import Birth, Book
from taskq.tools.chaos.seats import Seat, Seats
from taskq.tools.chaos.site import Site

__all__ = ["Fault", "Stage", "at_once", "is_of", "session_of"]


class Fault(msgspec.Struct, kw_only=True):
    """Something that was done to somebody."""

    kind: str
    begin: float
    #: When it was undone; None: not yet. What is done in a moment has the same begin and end.
    end: float | None
    text: str
    #: Who was killed, frozen or told to end: process ids, 0 = not this one.
    child: int = 0
    zygote: int = 0
    supervisor: int = 0
    seat: int | None = None


class Later(NamedTuple):
    """Something to be done at a moment."""

    at: float
    do: Callable[[], None]
    fault: Fault


class Stage:
    """What faults act on, and what is still to be undone."""

    def __init__(self, site: Site, seats: Seats, book: Book, chance: random.Random) -> None:
        self.site = site
        self.seats = seats
        self.book = book
        self.chance = chance
        self.later: list[Later] = []
        #: True while the server is down, paused or full: one such fault at a time.
        self.server_busy = False
        #: Until then nobody shall be held up again for a part of the lease: two parts can make a whole.
        self.calm_until = 0.0
        #: Process ids that were killed: they may be there as zombies for a while.
        self.killed: set[int] = set()

    def undo(self, now: float) -> None:
        """Undo what is due. With infinity: everything."""
        for item in [item for item in self.later if item.at <= now]:
            self.later.remove(item)
            item.do()
            item.fault.end = monotonic()

    def after(self, seconds: float, fault: Fault, do: Callable[[], None]) -> Fault:
        self.later.append(Later(monotonic() + seconds, do, fault))
        return fault

    def hold_up(self, seconds: float) -> bool:
        """Whether supervisors may be held up for so long, which is less than a lease; then nobody else may within the lease after it."""
        now = monotonic()
        if now < self.calm_until:
            return False
        self.calm_until = now + seconds + LEASE
        return True

    def working(self) -> Seat | None:
        """Any supervisor that works."""
        found = [seat for seat in self.seats if seat.is_working]
        return self.chance.choice(found) if found else None

    def children(self, seat: Seat) -> list[Birth]:
        """Its worker processes that live, those that run a job first."""
        mine = [one for one in self.book.births if one.supervisor == seat.pid and not self.killed & {one.pid, one.zygote} and is_of(one)]
        running = self.book.running()
        return sorted(mine, key=lambda one: one.pid not in running)


def session_of(pid: int) -> int:
    """Return a process's session, 0 when it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def is_of(birth: Birth) -> bool:
    """True when the process still lives: its session is its zygote's, so it is nobody else who got the number."""
    return session_of(birth.pid) == birth.zygote


def at_once(kind: str, text: str, **who: int) -> Fault:
    """Return what was done in this moment."""
    now = monotonic()
    return Fault(kind=kind, begin=now, end=now, text=text, **who)
