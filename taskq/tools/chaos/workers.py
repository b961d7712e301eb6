"""The workers under test. A worker that was killed or stopped is restarted."""

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
from taskq.tools.chaos.log_reader import LogReader

__all__ = ["ManagedWorker", "WorkerSet"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: The exit code of a supervisor that found no server when it started.
NO_SERVER = 75
#: A supervisor that was asked to stop gets this long before that counts as its own fault.
_PATIENCE = STOP_TIMEOUT + 10.0
#: How many jobs a process of each seat runs at once: the first one at a time, the second several, and so on.
_CONCURRENCY = (1, 10)


class ManagedWorker:
    """The place of one supervisor."""

    def __init__(self, index: int, queue: Queue, directory: Path, processes: int) -> None:
        self.index = index
        self.pid = 0
        #: Time of the next start; None while the worker runs.
        self.free_until: float | None = 0.0
        self.frozen = False
        #: Reads the log of all supervisors in this place, from the first start on.
        self.log: LogReader | None = None
        self._queue = queue
        self._directory = directory
        self._processes = processes
        self._process: Any = None
        self._end_by: float | None = None
        self._killed = False

    @property
    def is_working(self) -> bool:
        """Return True while its supervisor runs and was not asked to stop."""
        return self.free_until is None and not self.frozen and self._end_by is None and not self._killed

    def sit(self) -> None:
        """Start a supervisor."""
        if self.log is None:
            self.log = LogReader(self._directory / f"worker-{self.index}.log")
        group = (self._processes, _CONCURRENCY[self.index % len(_CONCURRENCY)])
        self._process = fork(_work, self._queue, self._directory / "ledger", self.log.write_end, group, os.getpid())
        self.pid = self._process.pid
        self.free_until, self._end_by, self._killed = None, None, False

    def stop(self) -> None:
        """Ask it to shut down gracefully."""
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
        # A supervisor that is stopped while it starts, or finds no server then, reports that and exits: its manager restarts it.
        expected = {-signal.SIGKILL} if self._killed else {0} if self._end_by is not None else set()
        if not has_worked:
            expected |= {NO_SERVER, -signal.SIGTERM} if self._end_by is not None else {NO_SERVER}
        pid, self.frozen, self.free_until = self.pid, False, monotonic() + pause
        self._process.close()
        return None if code in expected else f"supervisor {pid} ended by itself with code {code}"

    def close(self) -> None:
        """Stop reading the log. Call this after the supervisor has ended."""
        if self.log is not None:
            self.log.close()
            self.log = None


class WorkerSet(list[ManagedWorker]):
    """All supervisors."""

    def __init__(self, queues: Sequence[Queue], directory: Path, processes: int) -> None:
        super().__init__(ManagedWorker(index, queue, directory, processes) for index, queue in enumerate(queues))
        #: Every supervisor there was: its process id, and its seat.
        self.history: dict[int, int] = {}

    def fill(self, now: float) -> None:
        """Start a supervisor in every seat that may be taken."""
        for worker in self:
            if worker.free_until is not None and now >= worker.free_until:
                worker.sit()
                self.history[worker.pid] = worker.index

    def collect(self, pause: float, worked: set[int]) -> list[str]:
        """Notice who has ended; returns what is wrong with that.

        Args:
            pause: seconds until another takes the seat.
            worked: the supervisors that had worker processes.
        """
        return [problem for worker in self if (problem := worker.collect(pause, has_worked=worker.pid in worked))]

    @property
    def pids(self) -> set[int]:
        """The supervisors that run."""
        return {worker.pid for worker in self if worker.free_until is None}

    @property
    def are_empty(self) -> bool:
        return all(worker.free_until is not None for worker in self)


def _work(queue: Queue, ledger: Path, log: int, group: tuple[int, int], parent: int) -> None:
    os.setsid()  # Ctrl-C at the terminal is for the chaos, which then ends this worker
    die_with_parent(parent)
    os.dup2(log, 1)
    os.dup2(log, 2)
    supervisor = os.getpid()

    def on_event(event: ProcessEvent) -> None:
        note(ledger, "born", event.pid, os.getppid(), supervisor)

    events.child_start.connect(on_event)
    # Until the supervisor has its own handlers: the copied ones would swallow the signal.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    set_up_logging("INFO", "text")
    try:
        sys.exit(queue.work(channels=[CHANNEL], processes=group[0], concurrency=group[1]))
    except ServerUnavailable as error:
        logging.getLogger("taskq").error("%s", error)
        sys.exit(NO_SERVER)
