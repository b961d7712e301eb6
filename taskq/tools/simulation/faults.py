"""The faults: a registry, so that each new capability of taskq adds its own.

A fault is triggered by a command: the n-th of the run, or the n-th of one name. Its effect on the command or on a process depends on its
kind; everything that it needs to know is in the plan, so that a plan can be run again with fewer faults.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from taskq.tools.simulation.network.request import Request
    from taskq.tools.simulation.system import System

__all__ = ["FAULTS", "Fault", "Kind", "PendingFaults", "choose"]

#: The names of commands that a fault may wait for. Most wait for one that settles; the rare ones are as likely as the frequent ones.
SETTLING = ("retry", "fail", "finish", "ack", "requeue")
OTHERS = (
    *("reserve", "BLMOVE", "rescue", "heartbeat", "promote", "LRANGE", "standing", "forget", "restore", "cancel", "request_cancel"),
    *("LPUSH", "push", "BLPOP", "CLIENT", "HGETALL", "heartbeats", "delete"),
)
#: Not a command: the start of a job.
RUN = "run"


class Fault(NamedTuple):
    """One planned fault."""

    kind: str
    #: The name of the command that it waits for; "": any; "run": the start of a job.
    target: str
    #: Which of them: 1 is the first.
    occurrence: int
    #: How long it lasts.
    seconds: float
    #: How far into the job, from 0 to 1, it is triggered.
    part: float = 0.0

    def __str__(self) -> str:
        where = f"{self.target or 'command'} number {self.occurrence}"
        return f"{self.kind}{f' for {self.seconds:g} s' if self.seconds else ''} at {where}{f' after {self.part:.0%}' if self.part else ''}"


#: Acts on the system. The machine is the one that the fault has met; the request is None at a job.
Apply = Callable[["System", Fault, str, "Request | None"], object]
OnCommand = Callable[["System", Fault, "Request"], object]


class Kind(NamedTuple):
    """A kind of fault."""

    text: str
    apply: Apply
    #: The range of its duration in seconds.
    seconds: tuple[float, float]
    #: True if it changes what happens to a command, and so can't be triggered by a job.
    needs_command: bool


FAULTS: dict[str, Kind] = {}


def fault(name: str, text: str, least: float = 0.0, most: float = 0.0) -> Callable[[Apply], Apply]:
    """Register a kind of fault."""

    def register(apply: Apply) -> Apply:
        FAULTS[name] = Kind(text, apply, (least, most), needs_command=False)
        return apply

    return register


def command_fault(name: str, text: str, least: float = 0.0, most: float = 0.0) -> Callable[[OnCommand], OnCommand]:
    """Register a kind of fault that changes what happens to one command."""

    def register(apply: OnCommand) -> OnCommand:
        def trigger(system: System, one: Fault, machine: str, request: Request | None) -> None:
            if request is not None:
                apply(system, one, request)

        FAULTS[name] = Kind(text, trigger, (least, most), needs_command=True)
        return apply

    return register


# ---- the network


@command_fault("drop", "a command is lost, and its connection breaks")
def _drop(system: System, one: Fault, request: Request) -> None:
    request.is_dropped = request.breaks = True


@command_fault("vanish", "a command is lost without a trace")
def _vanish(system: System, one: Fault, request: Request) -> None:
    request.is_dropped = True


@command_fault("lose-reply", "a command is executed, and its connection breaks before the reply")
def _lose_reply(system: System, one: Fault, request: Request) -> None:
    request.loses_reply = request.breaks = True


@command_fault("mute", "a command is executed, and its reply never arrives")
def _mute(system: System, one: Fault, request: Request) -> None:
    request.loses_reply = True


@command_fault("hold", "a command is held back, and arrives later", 0.5, 40.0)
def _hold(system: System, one: Fault, request: Request) -> None:
    request.held = one.seconds
    system.busy_until(one.seconds)


@command_fault("hold-reply", "a command is executed, and its reply arrives later", 0.5, 12.0)
def _hold_reply(system: System, one: Fault, request: Request) -> None:
    request.reply_held = one.seconds
    system.busy_until(one.seconds)


@command_fault("repeat", "a command is executed twice")
def _repeat(system: System, one: Fault, request: Request) -> None:
    # A plain push is not safe to repeat, and says so.
    request.is_repeated = request.name not in ("LPUSH", "push")


@fault("silence", "a machine has no network for a while", 0.5, 40.0)
def _silence(system: System, one: Fault, machine: str, request: Request | None) -> None:
    world = system.world
    until = world.now + one.seconds
    system.network.cut_off[machine] = until
    for connection in system.network.connections.values():
        if connection.machine == machine:
            connection.silent_until = max(connection.silent_until, until)
    system.busy_until(one.seconds)


@fault("break-all", "every connection breaks")
def _break_all(system: System, one: Fault, machine: str, request: Request | None) -> None:
    for connection in list(system.network.connections.values()):
        system.network.cut(connection)


# ---- processes


@fault("kill-worker", "SIGKILL of a worker process")
def _kill_worker(system: System, one: Fault, machine: str, request: Request | None) -> None:
    # The sender, if it is one, which hits it between two of its commands; otherwise any other.
    pids = sorted(system.processes)
    owner = system.owner()
    if pids:
        system.kill(owner.pid if owner is not None else pids[one.occurrence % len(pids)])


@fault("kill-zygote", "SIGKILL of a zygote, and with it of its worker processes")
def _kill_zygote(system: System, one: Fault, machine: str, request: Request | None) -> None:
    for zygote in system.host_of(machine, one.occurrence).zygotes:
        zygote.kill()


@fault("kill-supervisor", "SIGKILL of a supervisor, and with it of its worker processes")
def _kill_supervisor(system: System, one: Fault, machine: str, request: Request | None) -> None:
    system.host_of(machine, one.occurrence).kill(machine=False)


@fault("kill-machine", "the loss of a machine: another one takes its place")
def _kill_machine(system: System, one: Fault, machine: str, request: Request | None) -> None:
    system.host_of(machine, one.occurrence).kill(machine=True)


@fault("freeze-worker", "SIGSTOP, then SIGCONT, of a worker process", 0.05, 40.0)
def _freeze_worker(system: System, one: Fault, machine: str, request: Request | None) -> None:
    pids = sorted(system.processes)
    if pids:
        for party in system.processes[pids[one.occurrence % len(pids)]].parties():
            system.freeze(party, one.seconds)


@fault("freeze-supervisor", "SIGSTOP, then SIGCONT, of a supervisor", 0.05, 40.0)
def _freeze_supervisor(system: System, one: Fault, machine: str, request: Request | None) -> None:
    system.freeze(system.host_of(machine, one.occurrence).party, one.seconds)


@fault("freeze-machine", "SIGSTOP, then SIGCONT, of all processes of a machine", 0.05, 40.0)
def _freeze_machine(system: System, one: Fault, machine: str, request: Request | None) -> None:
    host = system.host_of(machine, one.occurrence)
    for party in [host.party, *(party for process in host.children.values() for party in process.parties())]:
        system.freeze(party, one.seconds)


@fault("stop", "SIGTERM of a supervisor, which is started again")
def _stop(system: System, one: Fault, machine: str, request: Request | None) -> None:
    system.host_of(machine, one.occurrence).signal("SIGTERM")


@fault("reload", "SIGHUP of a supervisor: a rolling restart")
def _reload(system: System, one: Fault, machine: str, request: Request | None) -> None:
    system.host_of(machine, one.occurrence).signal("SIGHUP")


# ---- the server


@fault("clock", "the server's clock steps", -3700.0, 3700.0)
def _clock(system: System, one: Fault, machine: str, request: Request | None) -> None:
    system.world.server_offset_ms += int(one.seconds * 1000)


@fault("scripts", "the server forgets the scripts")
def _scripts(system: System, one: Fault, machine: str, request: Request | None) -> None:
    system.network.store.flush_scripts()


@fault("full", "the server has no memory left for a while", 0.5, 20.0)
def _full(system: System, one: Fault, machine: str, request: Request | None) -> None:
    store = system.network.store
    store.is_full = True

    def empty() -> None:
        store.is_full = False

    system.world.later(one.seconds, empty)
    system.busy_until(one.seconds)


class PendingFaults:
    """The faults of one run that have not been triggered yet."""

    def __init__(self, system: System, faults: tuple[Fault, ...]) -> None:
        self._system = system
        self._waiting: dict[tuple[str, int], list[Fault]] = {}
        for one in faults:
            self._waiting.setdefault((one.target, one.occurrence), []).append(one)
        self.struck: list[Fault] = []

    def on_send(self, request: Request, step: int, occurrence: int) -> None:
        """Trigger the faults that wait for this command."""
        for key in (("", step), (request.name, occurrence)):
            for one in self._waiting.pop(key, ()):
                self._trigger(one, request.connection.machine, request)

    def on_run(self, number: int, seconds: float, machine: str) -> None:
        """Trigger the faults that wait for this run of a job, at some moment within the seconds that it takes."""
        for one in self._waiting.pop((RUN, number), ()):
            self._system.world.later(one.part * seconds, lambda one=one: self._trigger(one, machine, None))  # type: ignore[misc]

    def _trigger(self, one: Fault, machine: str, request: Request | None) -> None:
        self._system.world.trace("FAULT", f"{one.kind}{f' for {one.seconds:g} s' if one.seconds else ''}")
        self.struck.append(one)
        self._system.busy_until(0.0)
        FAULTS[one.kind].apply(self._system, one, machine, request)


def choose(random: Random) -> tuple[Fault, ...]:
    """Choose the faults of a scenario: several of few kinds, since some need company of their own kind."""
    kinds = random.sample(list(FAULTS), random.randint(1, 4))
    return tuple(_choose(random, random.choice(kinds)) for _ in range(random.choice((0, 1, 1, 2, 2, 3, 4, 6))))


def _choose(random: Random, kind: str) -> Fault:
    least, most = FAULTS[kind].seconds
    seconds = 0.0
    if least < 0:
        seconds = random.choice((-1, 1)) * random.choice((0.5, 20.0, 60.0, 120.0, 3600.0))
    elif most:
        # Half of them are longer than the timeouts of links and the shorter leases.
        seconds = round(least * (most / least) ** random.random() if random.random() < 0.5 else random.uniform(most / 8, most), 2)
    if FAULTS[kind].needs_command:
        targets = random.choice((SETTLING, SETTLING, SETTLING, OTHERS, ("",)))
    else:
        targets = random.choice((SETTLING, OTHERS, ("",), (RUN,), (RUN,)))
    target = random.choice(targets)
    part = round(random.random(), 2) if target == RUN else 0.0
    return Fault(kind, target, int(20 * 30 ** random.random() if target == "" else 6 ** random.random()), seconds, part)
