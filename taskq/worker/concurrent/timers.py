"""A thread that calls what is due: the limits of jobs in threads, which no signal can keep for them."""

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
    """Something to be called at a moment."""

    __slots__ = ("ring", "when")

    def __init__(self, when: float, ring: Callable[[], None]) -> None:
        self.when = when
        self.ring: Callable[[], None] | None = ring

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when


class Timers:
    """Rings bells. Its thread begins with the first, and ends with the process."""

    def __init__(self) -> None:
        self._bells: list[Timer] = []
        self._cancelled = 0
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def set(self, when: float, ring: Callable[[], None]) -> Timer:
        """Call `ring` in the alarm's thread at a monotonic time."""
        timer = Timer(when, ring)
        with self._change:
            self._clean()
            heapq.heappush(self._bells, timer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskq-alarm", daemon=True)
                self._thread.start()
            elif self._bells[0] is timer:
                self._change.notify()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Don't call it any more, if it wasn't yet.

        Without a lock: in a thread in which the alarm may just raise an exception, a lock might never be released.
        """
        timer.ring = None
        self._cancelled += 1  # an estimate, which only decides when to clean

    def _clean(self) -> None:
        if self._cancelled > _LITTER and self._cancelled > len(self._bells) // 2:
            self._bells = [one for one in self._bells if one.ring is not None]
            heapq.heapify(self._bells)
            self._cancelled = 0

    def _run(self) -> None:
        while True:
            ring = self._next()
            try:
                ring()
            except Exception:
                _log.exception("a timer of a job's time limit failed")

    def _next(self) -> Callable[[], None]:
        """Wait for the next bell that isn't cancelled."""
        with self._change:
            while True:
                wait = self._bells[0].when - monotonic() if self._bells else None
                if wait is not None and wait <= 0:
                    timer = heapq.heappop(self._bells)
                    ring, timer.ring = timer.ring, None
                    if ring is not None:
                        return ring
                    continue
                self._change.wait(wait)
