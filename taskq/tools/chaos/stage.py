"""The targets of faults: processes and the server, and the faults to undo later."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from taskq.clock import monotonic
from taskq.tools.chaos.app import LEASE
from taskq.tools.chaos.ledger import Birth, Book
from taskq.tools.chaos.site import Site
from taskq.tools.chaos.workers import ManagedWorker, WorkerSet

__all__ = ["Fault", "Stage", "at_once", "is_of", "session_of"]


class Fault(msgspec.Struct, kw_only=True):
    """A fault that hit a process or the server."""

    kind: str
    begin: float
    #: When it was undone; None: not yet. What is done in a moment has the same begin and end.
    end: float | None
    text: str
    #: Killed, frozen or stopped processes, by id. 0: not this one.
    child: int = 0
    zygote: int = 0
    supervisor: int = 0
    worker: int | None = None


class Later(NamedTuple):
    """Something to be done at a moment."""

    at: float
    do: Callable[[], None]
    fault: Fault


class Stage:
    """The targets of faults, and the faults to undo later."""

    def __init__(self, site: Site, workers: WorkerSet, book: Book, chance: random.Random) -> None:
        self.site = site
        self.workers = workers
        self.book = book
        self.chance = chance
        self.later: list[Later] = []
        #: True while the server is down, paused or full: one such fault at a time.
        self.server_busy = False
        #: Until then, no worker may be held up again for a part of the lease: two parts can make a whole.
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
        """Return True if supervisors may be held up for this long (less than a lease). Then no other may be, for a lease after it."""
        now = monotonic()
        if now < self.calm_until:
            return False
        self.calm_until = now + seconds + LEASE
        return True

    def working(self) -> ManagedWorker | None:
        """Any supervisor that works."""
        found = [worker for worker in self.workers if worker.is_working]
        return self.chance.choice(found) if found else None

    def children(self, worker: ManagedWorker) -> list[Birth]:
        """Its worker processes that live, those that run a job first."""
        mine = [one for one in self.book.births if one.supervisor == worker.pid and not self.killed & {one.pid, one.zygote} and is_of(one)]
        running = self.book.running()
        return sorted(mine, key=lambda one: one.pid not in running)


def session_of(pid: int) -> int:
    """Return a process's session, 0 when it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def is_of(birth: Birth) -> bool:
    """Return True if the process still lives. Its session is its zygote's, so the id was not reused."""
    return session_of(birth.pid) == birth.zygote


def at_once(kind: str, text: str, **who: int) -> Fault:
    """Return what was done in this moment."""
    now = monotonic()
    return Fault(kind=kind, begin=now, end=now, text=text, **who)
