"""The simulated system: machines with supervisors and worker processes, their server, and the ledger."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from taskq.channel import Outcome
from taskq.config import ChannelSettings
from taskq.context import current
from taskq.doctor.leftovers import Leftovers
from taskq.errors import Drop, JobCancelled, JobTimeout, Requeue
from taskq.queue import Queue
from taskq.scoreboard.slot import Slot
from taskq.supervisor.plan import Plan
from taskq.supervisor.processes.zygote import AppInfo
from taskq.tools.simulation.doubles.supervisor import End
from taskq.tools.simulation.doubles.worker import Poke, detach
from taskq.tools.simulation.ledger import Entry, Ledger
from taskq.tools.simulation.machine import Host, Process, short_name
from taskq.tools.simulation.network.connection import Connection
from taskq.tools.simulation.network.delivery import Network
from taskq.tools.simulation.network.request import Request
from taskq.tools.simulation.party import Party, Violation
from taskq.tools.simulation.store import EMPTY, Snapshot, Store
from taskq.tools.simulation.world import World
from taskq.worker.main import work

__all__ = ["JOB", "URL", "Check", "System"]

#: A rule that holds after every command; it raises `Violation`.
Check = Callable[["System", Snapshot], None]
JOB = "simulated"
#: Where all parties look for the server. Nothing is there: the simulated network takes its place.
URL = "redis://simulated:6379/0"


class System:
    """Everything that one run of the simulation has."""

    def __init__(
        self, world: World, store: Store, queue: Queue, settings: ChannelSettings, entries: list[Entry], checks: tuple[Check, ...]
    ) -> None:
        self.world = world
        self.queue = queue
        self._checks = checks
        self.settings = settings
        self.network = Network(world, store)
        self.network.on_executed = self._executed
        self.ledger = Ledger(world, entries, settings.max_attempts, settings.handle_timeout)
        self.hosts: list[Host] = []
        self.supervisors: dict[int, Host] = {}
        self.processes: dict[int, Process] = {}
        self._by_party: dict[Party, Process] = {}
        #: When a heartbeat of each worker was executed last, in true time.
        self.beats: dict[str, float] = {}
        self.snapshot: Snapshot = EMPTY
        self.progressed = world.now
        #: Until when the faults act that have struck so far.
        self.disturbed = world.now
        #: Called at the start of each run, with its number, its seconds and its machine.
        self.on_run: Callable[[int, float, str], object] = lambda number, seconds, machine: None
        self._ends: list[End] = []
        self._pids = 100
        self._workers = 0

    # ---- identities

    def new_pid(self) -> int:
        self._pids += 1
        return 10_000_000 + self._pids  # no process of the real machine

    def new_end(self, end: End) -> int:
        """Return the number of a new end of a pipe."""
        self._ends.append(end)
        return len(self._ends) - 1

    def end(self, number: int) -> End | Connection:
        """Return what has a number, as a process has descriptors: the end of a pipe, or a connection."""
        return self._ends[number] if number < len(self._ends) else self.network.connections[number]

    def new_worker_id(self, host: str, tag: str, traits: str) -> str:
        self._workers += 1
        return f"{host}:{tag}:{self.supervisor().pid}:{self._workers:08x}{traits}"

    def is_surely_dead(self, worker: str, tag: str) -> bool:
        parts = worker.rsplit(":", 3)
        if len(parts) != 4 or parts[1] != tag:
            return False
        host = self.supervisors.get(int(parts[2]))
        return host is None or host.pid != int(parts[2]) or not host.is_alive

    def supervisor(self) -> Host:
        """Return the host whose supervisor has the turn."""
        party = self.world.current
        return next(host for host in self.hosts if host.party is party)

    def process(self) -> Process:
        """Return the worker process that has the turn."""
        party = self.world.current
        assert party is not None
        return self._by_party[party]

    # ---- the app

    def app_info(self) -> AppInfo:
        return AppInfo(self.queue.settings, (JOB,), {self.settings.name: self.settings}, Leftovers(), ())

    def plan(self) -> Plan:
        host = self.supervisor()
        name = host.settings.name
        return Plan(self.queue.settings, URL, "", {name: host.settings}, {name: host.processes}, frozenset((JOB,)))

    def job(self, number: int) -> Any:
        """Run the job of a message: the next step of its plan."""
        process = self.process()
        entry = self.ledger.by_number[number]
        step = entry.next_step()
        try:
            run = self.ledger.start(entry.identity, process.worker, current().headers)
        except Violation as found:  # for the worker, it is only the failure of a job
            self.world.fail(found)
            raise
        run.is_interruptible = step.outcome != "hang"
        self.world.trace(short_name(process.worker), f"starts {entry}: {step.outcome} after {step.seconds:g} s")
        self.on_run(self.ledger.count, step.seconds, process.host.name)
        for waiting in entry.waiting_for_run.pop(len(entry.runs), ()):
            waiting()
        try:
            process.executor.nap(step.seconds, ignores_limit=step.outcome == "hang")
        except (JobTimeout, JobCancelled) as error:
            run.outcome = "timeout" if isinstance(error, JobTimeout) else "cancelled"
            self.world.trace(short_name(process.worker), f"{entry}: {run.outcome}")
            raise
        run.outcome = "ok" if step.outcome == "hang" else step.outcome
        self.world.trace(short_name(process.worker), f"ends {entry}: {run.outcome}")
        if step.outcome == "raise":
            raise ValueError("planned")
        if step.outcome == "retry":
            return Outcome.RETRY
        if step.outcome == "requeue":
            raise Requeue(delay=self.world.random.choice((0.0, 0.5)))
        if step.outcome == "drop":
            raise Drop("planned")
        return number

    def on_fail(self) -> None:
        """Run the on_fail of the running job."""
        entry = self.ledger.by_id[bytes.fromhex(current().id)]
        self.process().executor.nap(entry.on_fail)

    # ---- processes

    def fork(self, worker: str, channel: ChannelSettings, slot: Slot, host: Host, exited: Callable[[int, int], object]) -> int:
        """Start a worker process; return its process id."""
        process = Process(self.new_pid(), worker, host, slot, exited)
        process.party = self.world.begin(short_name(worker), lambda: self._work(process, channel), host.name)
        process.party.at_end = lambda: self._ended(process)
        self.processes[process.pid] = process
        self._by_party[process.party] = process
        host.children[process.pid] = process
        self.world.trace(host.name, f"forks {worker} (pid {process.pid})")
        return process.pid

    def _work(self, process: Process, channel: ChannelSettings) -> None:
        poke: Any = Poke(process.host.pokes)
        work(self.queue, URL, channel, process.worker, process.slot, poke)
        process.status = 0

    def _ended(self, process: Process) -> None:
        self.world.trace(short_name(process.worker), "ends" if process.status == 0 else "was killed")
        detach(process.slot)
        for thread in process.threads:
            self.world.kill(thread)
        for connection in self.network.connections.values():
            if connection.owner in (process.party, *process.threads) and not connection.is_broken:
                self.network.closed(connection)
        self.processes.pop(process.pid, None)
        self.ledger.process_ended(process.worker)
        process.host.children.pop(process.pid, None)
        process.exited(process.pid, process.status)

    def begin_thread(self, name: str, body: Callable[[], object]) -> Party:
        """Start one more thread of the process that has the turn."""
        process = self.process()
        thread = self.world.begin(f"{short_name(process.worker)} {name}", body, process.host.name)
        process.threads.append(thread)
        self._by_party[thread] = process
        return thread

    def owner(self) -> Process | None:
        """Return the worker process that has the turn; None: another party has it."""
        return self._by_party.get(self.world.current) if self.world.current is not None else None

    def kill(self, pid: int) -> None:
        """SIGKILL."""
        process = self.processes.get(pid)
        if process is not None and process.party is not None:
            self.world.kill(process.party)

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a worker process, as os.kill.

        Raises:
            ProcessLookupError: it has ended.
        """
        process = self.processes.get(pid)
        if process is None:
            raise ProcessLookupError
        if number == signal.SIGKILL:
            self.kill(pid)
        elif process.signals is None:
            process.is_stopped_early = process.is_stopped_early or number == signal.SIGTERM
        elif process.party is not None:
            signals = process.signals
            process.party.interrupts.append(lambda: signals.deliver(number))

    def has_exited(self, pid: int) -> bool:
        return pid not in self.processes

    def host_of(self, machine: str, number: int) -> Host:
        """Return a machine by its name; for a user's, any other."""
        return next((host for host in self.hosts if host.name == machine), self.hosts[number % len(self.hosts)])

    def freeze(self, party: Party | None, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after some seconds."""
        if party is not None:
            party.frozen_until = self.world.now + seconds
            self.busy_until(seconds)

    # ---- after each command

    def busy_until(self, seconds: float) -> None:
        """Note that a fault has effects for some seconds: no progress is expected meanwhile."""
        self.disturbed = max(self.disturbed, self.world.now + seconds)
        self.progressed = max(self.progressed, self.disturbed)

    def progress(self) -> None:
        self.progressed = max(self.progressed, self.world.now)

    def _executed(self, request: Request, reply: Any, snapshot: Snapshot | None) -> None:
        if request.name == "heartbeat" and isinstance(reply, list) and (reply[0] == 1 or request.arguments[2] in (1, b"1")):
            worker = request.arguments[0]
            self.beats[worker.decode() if isinstance(worker, bytes) else str(worker)] = self.world.now
        if snapshot is None:
            return
        self.snapshot = snapshot
        for one in self._checks:
            one(self, snapshot)
