"""The supervisors. Each has a seat: whoever sits there is killed and stopped, and another takes the seat."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taskq import events
from taskq.clock import monotonic
from taskq.errors import ServerUnavailable
from taskq.events import ProcessEvent
from taskq.logs import set_up_logging
from taskq.queue import Queue
from taskq.supervisor.processes.fork import die_with_parent, fork
from taskq.tools.chaos.app import CHANNEL, STOP_TIMEOUT
from taskq.tools.chaos.ledger import note

__all__ = ["Seat", "Seats"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: The exit code of a supervisor that found no server when it started.
NO_SERVER = 75
#: A supervisor that was told to stop is given so long before that counts as a fault of its own.
_PATIENCE = STOP_TIMEOUT + 10.0
#: How many jobs a process of each seat runs at once: the first one at a time, the second several, and so on.
_CONCURRENCY = (1, 10)


class Seat:
    """The place of one supervisor."""

    def __init__(self, index: int, queue: Queue, directory: Path, processes: int) -> None:
        self.index = index
        self.pid = 0
        #: When another may sit down; None while somebody sits here.
        self.free_until: float | None = 0.0
        self.frozen = False
        self._queue = queue
        self._directory = directory
        self._processes = processes
        self._process: Any = None
        self._end_by: float | None = None
        self._killed = False

    @property
    def is_working(self) -> bool:
        """True while its supervisor runs and wasn't told to end."""
        return self.free_until is None and not self.frozen and self._end_by is None and not self._killed

    def sit(self) -> None:
        """Start a supervisor."""
        log = self._directory / f"worker-{self.index}.log"
        crowd = (self._processes, _CONCURRENCY[self.index % len(_CONCURRENCY)])
        self._process = fork(_work, self._queue, self._directory / "ledger", log, crowd, os.getpid())
        self.pid = self._process.pid
        self.free_until, self._end_by, self._killed = None, None, False

    def stop(self) -> None:
        """Tell it to end in good order."""
        self._end_by = monotonic() + _PATIENCE
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        self._killed = True
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        if self.free_until is None:
            os.kill(self.pid, number)

    def collect(self, pause: float, *, has_worked: bool) -> str | None:
        """Notice its end, and keep the seat free for a while. Returns what is wrong with that end, if anything is."""
        if self.free_until is not None:
            return None
        code = self._process.exitcode
        if code is None:
            late = self._end_by is not None and monotonic() > self._end_by
            if not late or self.frozen or self._killed:
                return None
            self.kill()
            return f"supervisor {self.pid} didn't end within {_PATIENCE:g} s of SIGTERM"
        # Whoever is told to end while it starts, or finds no server then, says so and ends: its manager starts it again.
        expected = {-signal.SIGKILL} if self._killed else {0} if self._end_by is not None else set()
        if not has_worked:
            expected |= {NO_SERVER, -signal.SIGTERM} if self._end_by is not None else {NO_SERVER}
        pid, self.frozen, self.free_until = self.pid, False, monotonic() + pause
        self._process.close()
        return None if code in expected else f"supervisor {pid} ended by itself with code {code}"


class Seats(list[Seat]):
    """All supervisors."""

    def __init__(self, queues: Sequence[Queue], directory: Path, processes: int) -> None:
        super().__init__(Seat(index, queue, directory, processes) for index, queue in enumerate(queues))
        #: Every supervisor there was: its process id, and its seat.
        self.history: dict[int, int] = {}

    def fill(self, now: float) -> None:
        """Start a supervisor in every seat that may be taken."""
        for seat in self:
            if seat.free_until is not None and now >= seat.free_until:
                seat.sit()
                self.history[seat.pid] = seat.index

    def collect(self, pause: float, worked: set[int]) -> list[str]:
        """Notice who has ended; returns what is wrong with that.

        Args:
            pause: seconds until another takes the seat.
            worked: the supervisors that had worker processes.
        """
        return [problem for seat in self if (problem := seat.collect(pause, has_worked=seat.pid in worked))]

    @property
    def pids(self) -> set[int]:
        """The supervisors that run."""
        return {seat.pid for seat in self if seat.free_until is None}

    @property
    def are_empty(self) -> bool:
        return all(seat.free_until is not None for seat in self)


def _work(queue: Queue, ledger: Path, log: Path, crowd: tuple[int, int], parent: int) -> None:
    os.setsid()  # Ctrl-C at the terminal is for the chaos, which then ends this worker
    die_with_parent(parent)
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(target, 1)
    os.dup2(target, 2)
    supervisor = os.getpid()

    def tell(event: ProcessEvent) -> None:
        note(ledger, "born", event.pid, os.getppid(), supervisor)

    events.child_start.connect(tell)
    # Until the supervisor has its own handlers: those that the fork has copied would note the signal for nobody.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    set_up_logging("INFO", "text")
    try:
        sys.exit(queue.work(channels=[CHANNEL], processes=crowd[0], concurrency=crowd[1]))
    except ServerUnavailable as error:
        logging.getLogger("taskq").error("%s", error)
        sys.exit(NO_SERVER)
