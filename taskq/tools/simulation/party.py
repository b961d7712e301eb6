"""The parties: each is a process or a thread of the simulated system, and what they wait for."""

from __future__ import annotations

import _thread
import sys
import threading
import traceback
from collections.abc import Callable
from math import inf
from typing import Any

__all__ = ["Death", "Party", "Source", "Violation", "held_lock"]


def held_lock() -> threading.Lock:
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


class Source:
    """Something that parties wait for. It must report each of its changes that may end a wait."""

    def __init__(self) -> None:
        self.waiters: set[Party] = set()

    def changed(self) -> None:
        for party in self.waiters:
            party.must_look = True


class Party:
    """One process of the simulated system, as a thread that runs only when it has the turn."""

    def __init__(self, world: Any, name: str, body: Callable[[], object], machine: str) -> None:
        self.name = name
        self.machine = machine
        self.is_dead = False
        self.has_ended = False
        self.frozen_until = 0.0
        #: It waits for a condition, a moment, or both.
        self.ready: Callable[[], bool] | None = None
        self.deadline = inf
        #: True if the condition may hold, and must be evaluated; False until one of its sources reports a change.
        self.must_look = True
        self.has_sources = False
        #: Called before it continues: signals that have arrived.
        self.interrupts: list[Callable[[], object]] = []
        #: Called once it has ended, by itself or by being killed.
        self.at_end: Callable[[], object] | None = None
        #: Acquired by its thread, and released to give it the turn.
        self.turn = held_lock()
        #: Released when its thread has ended; None: nobody waits for that.
        self.over: threading.Lock | None = None
        #: The number of its thread; 0: it has had no turn yet.
        self.thread = 0
        self._world = world
        self._body = body

    def resume(self) -> None:
        """Give it the turn."""
        if self.thread:
            self.turn.release()
        else:
            self.thread = _thread.start_new_thread(self._run, ())  # threading.Thread waits until the other thread has begun

    def unwind(self) -> None:
        """Let the thread of a dead party end; return then."""
        if self.thread:
            self.over = held_lock()
            self.turn.release()
            self.over.acquire()
        self.has_ended = True

    def _run(self) -> None:
        sys.settrace(threading.gettrace())  # as threading.Thread does it: a measurement of coverage sees this code
        self.thread = _thread.get_ident()
        try:
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
        if self.over is not None:
            self.over.release()
