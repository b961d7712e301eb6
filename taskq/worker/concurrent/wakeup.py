"""A wait that other threads can end: the pump waits while jobs run in other threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from taskq.polling import wait_for
from taskq.scoreboard.pipe import drain
from taskq.worker.process.signals import SIGTERM, SignalWait

__all__ = ["WakeableWait"]


class WakeableWait(SignalWait):
    """Created in the main thread, waits in another thread."""

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
        """Let `wake` end the next wait. Check for earlier events after this, and before `wait`."""
        self._is_asleep = True

    def wait(self, fileno: int | None, timeout: float) -> bool:
        """Wait until woken, a signal, or the timeout. Return True if the descriptor is readable.

        It also waits while the process is stopping: the pump then waits for the running jobs.
        """
        ready = wait_for(self._watched(fileno), timeout)
        self._is_asleep = False
        if self._read in ready:
            # The bytes are the numbers of the signals. A job may block the main thread, and delay its handler.
            numbers = drain(self._read)
            if SIGTERM in numbers:  # no other assignment: the handler may have set it meanwhile
                self.stopping = True
        return fileno in ready

    def pause(self, seconds: float) -> None:
        """Sleep; SIGTERM ends the sleep. While the process is stopping, return at once."""
        if not self.stopping:
            self.wait(None, seconds)
