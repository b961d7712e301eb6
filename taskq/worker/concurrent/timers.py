"""Timers in a thread: for the time limits of jobs in threads, which no signal can interrupt."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable

from taskq.clock import monotonic

__all__ = ["Timer", "Timers"]

_log = logging.getLogger("taskq.worker")
#: The heap is cleaned if it has more cancelled timers than this.
_LITTER = 64


class Timer:
    """A function and the monotonic time at which it is called."""

    __slots__ = ("call", "when")

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self.call: Callable[[], None] | None = call

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when


class Timers:
    """Calls functions at their time. The thread starts with the first timer, and ends with the process."""

    def __init__(self) -> None:
        self._timers: list[Timer] = []
        self._cancelled = 0
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def set(self, when: float, call: Callable[[], None]) -> Timer:
        """Call a function in the timers' thread at a monotonic time."""
        timer = Timer(when, call)
        with self._change:
            self._clean()
            heapq.heappush(self._timers, timer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskq-timers", daemon=True)
                self._thread.start()
            elif self._timers[0] is timer:
                self._change.notify()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Cancel a timer, unless it was called already.

        Without a lock: a timer may raise an exception in the calling thread at any moment, and a lock might never be released.
        """
        timer.call = None
        self._cancelled += 1  # an estimate, which only decides when to clean

    def _clean(self) -> None:
        if self._cancelled > _LITTER and self._cancelled > len(self._timers) // 2:
            self._timers = [one for one in self._timers if one.call is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _run(self) -> None:
        while True:
            call = self._next()
            try:
                call()
            except Exception:
                _log.exception("a timer of a job's time limit failed")

    def _next(self) -> Callable[[], None]:
        """Wait until the next timer that isn't cancelled is due, and return its function."""
        with self._change:
            while True:
                wait = self._timers[0].when - monotonic() if self._timers else None
                if wait is not None and wait <= 0:
                    timer = heapq.heappop(self._timers)
                    call, timer.call = timer.call, None
                    if call is not None:
                        return call
                    continue
                self._change.wait(wait)
