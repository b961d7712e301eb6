"""The threads of all lanes: a thread that has ended a job takes the next call from their inbox, without a thread switch."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["JobThreads"]

_log = logging.getLogger("taskq.worker")


class JobThreads:
    """Starts a thread for each call that would otherwise wait, up to a limit. The threads end with the process.

    At most one thread is woken at a time. It wakes the next one if calls are left, before it begins its own. So a thread that takes one
    short job after another isn't interrupted for each of them, and a call that blocks delays no other.
    """

    def __init__(self, worker: str, limit: int, on_empty: Callable[[], None] = lambda: None) -> None:
        """`on_empty` is called when a thread has taken the last call, and before it makes that call."""
        self._worker = worker
        self._limit = limit
        self._on_empty = on_empty
        self._count = 0
        #: The inbox.
        self.calls: deque[Callable[[], object]] = deque()
        #: The locks on which idle threads wait. The last one is woken first: its data is still in the caches.
        self._idle: list[threading.Lock] = []
        #: True while a thread was woken, and hasn't looked into the inbox yet.
        self._is_coming = False
        self._lock = threading.Lock()

    def put(self, call: Callable[[], object]) -> None:
        """Have a thread make this call. For the pump only."""
        with self._lock:
            self.calls.append(call)
            self._wake_one()
            needs_another = len(self.calls) > len(self._idle) + self._is_coming and self._count < self._limit
        if needs_another:
            threading.Thread(target=self._live, name=f"taskq-{self._count}", daemon=True).start()
            self._count += 1

    def _wake_one(self) -> None:
        if self._idle and not self._is_coming:
            self._is_coming = True
            self._idle.pop().release()

    def _live(self) -> None:
        sleep = threading.Lock()
        sleep.acquire()
        while True:
            try:
                self._next(sleep)()  # without a variable, which would keep a failed job alive until the next one
            except BaseException:
                _log.exception("a lane of worker process %s failed", self._worker)

    def _next(self, sleep: threading.Lock) -> Callable[[], object]:
        """Wait for a call, and take it from the inbox."""
        while True:
            with self._lock:
                call = self.calls.popleft() if self.calls else None
                if call is None:
                    self._idle.append(sleep)
                elif self.calls:
                    self._wake_one()
                    return call
            if call is not None:
                self._on_empty()
                return call
            sleep.acquire()
            self._is_coming = False
