"""Machines: each has a supervisor, which is started again when it has ended, and its worker processes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import Any

from taskq.config import ChannelSettings
from taskq.errors import AppError
from taskq.scoreboard.slot import Slot
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.supervisor import Supervisor
from taskq.tools.simulation.doubles.supervisor import Inbox, Pokes, Zygote
from taskq.tools.simulation.party import Party

__all__ = ["Host", "Process", "short_name"]


def short_name(worker: str) -> str:
    """Return a worker process as the history names it."""
    return f"worker{int(worker.rsplit(':', 1)[1][:8], 16)}"


class Process:
    """A worker process."""

    def __init__(self, pid: int, worker: str, host: Host, slot: Slot, exited: Callable[[int, int], object]) -> None:
        self.pid = pid
        self.worker = worker
        self.host = host
        self.slot = slot
        self.exited = exited
        self.party: Party | None = None
        #: The parties of its further threads.
        self.threads: list[Party] = []
        self.signals: Any = None
        self.executor: Any = None
        self.status = -signal.SIGKILL
        #: A stop that arrived before the process could handle it. It stays blocked until then.
        self.is_stopped_early = False

    def parties(self) -> list[Party]:
        """Return the parties of its threads."""
        return ([self.party] if self.party is not None else []) + self.threads


class Host:
    """A machine with one supervisor, which is started again when it has ended."""

    def __init__(self, system: Any, number: int, processes: int, settings: ChannelSettings) -> None:
        self.system = system
        self.number = number
        self.processes = processes
        self.settings = settings
        self.boots = 0
        self.pid = 0
        self.party: Party | None = None
        self.inbox: Inbox | None = None
        self.pokes = Pokes()
        self.children: dict[int, Process] = {}
        self.zygotes: list[Zygote] = []
        self.is_alive = False
        self.tag = ""

    @property
    def name(self) -> str:
        return f"host{self.number}"

    def start(self, delay: float) -> None:
        """Start a supervisor. After a loss of the machine, on another one."""
        self.pid = self.system.new_pid()
        self.tag = f"{self.number:04x}{self.boots:04x}"
        self.pokes = Pokes()
        self.inbox = None
        self.is_alive = True
        party = self.party = self.system.world.begin(f"supervisor{self.number}", self._work, self.name, delay)
        party.at_end = self._ended
        self.system.supervisors[self.pid] = self

    def _work(self) -> None:
        # It ends so when its zygote is killed twice. A service manager starts it again.
        with contextlib.suppress(AppError):
            Supervisor(self.system.queue, WorkerOptions(log_level=None)).run()

    def _ended(self) -> None:
        self.is_alive = False
        for zygote in self.zygotes:  # the kernel kills them with their parent
            zygote.kill()
        self.zygotes.clear()
        world = self.system.world
        self.start(world.random.choice((0.05, 1.0, 3.0)))

    def signal(self, name: str) -> None:
        """Send a signal to the supervisor."""
        if self.inbox is not None:
            self.inbox.put(signal.Signals[name])

    def kill(self, *, machine: bool) -> None:
        """Kill the supervisor; with `machine` the whole machine: the next one can't know that its processes have exited."""
        if machine:
            self.boots += 1
        if self.party is not None:
            self.system.world.kill(self.party)
