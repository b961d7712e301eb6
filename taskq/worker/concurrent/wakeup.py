"""A wait that other threads can end: for the pump, which sleeps while jobs run in other threads."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterable

from taskq.worker.process.signals import SIGTERM, SignalWait

__all__ = ["WakeableWait"]


class WakeableWait(SignalWait):
    """Is made in the main thread, sleeps in another."""

    def __init__(self, others: Iterable[int] = ()) -> None:
        self._is_asleep = False
        super().__init__(others)

    def wake(self) -> None:
        """End the wait, from any thread. Cheap while the pump isn't waiting."""
        if self._is_asleep:
            self._is_asleep = False
            with contextlib.suppress(BlockingIOError):  # the pipe is full: the wait ends anyway
                os.write(self._write, b"\0")

    def prepare(self) -> None:
        """Let `wake` wake from now on. What came before must be looked at after this, and before `sleep`."""
        self._is_asleep = True

    def wait(self, fileno: int | None, timeout: float) -> bool:
        """Wait until woken, stopped, or the timeout. Return True if the descriptor is readable."""
        watched = select.poll()
        watched.register(self._read, select.POLLIN)
        if fileno is not None:
            watched.register(fileno, select.POLLIN)
        ready = {fd for fd, _ in watched.poll(max(0.0, timeout) * 1000)} if not self.stopping else set()
        self._is_asleep = False
        if self._read in ready:
            self._drain()
        return fileno in ready

    def _drain(self) -> None:
        # The main thread may be blocked by a job, and its handler wait: the bytes are the numbers of the signals.
        with contextlib.suppress(BlockingIOError):
            while numbers := os.read(self._read, 512):
                self.stopping = self.stopping or SIGTERM in numbers
