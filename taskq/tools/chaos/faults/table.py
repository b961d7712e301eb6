"""The table of the faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from taskq.tools.chaos.faults import breaking, killing
from taskq.tools.chaos.stage import Fault, Stage

__all__ = ["FAULTS", "Kind"]


class Kind(NamedTuple):
    """One line of the table."""

    text: str
    begin: Callable[[Stage], Fault | None]
    #: How often it is chosen, beside the others.
    weight: int = 2
    #: Only on chaos's own server.
    own: bool = False
    #: Only with libfaketime.
    clock: bool = False


#: Every fault there is.
FAULTS = {
    "child": Kind("SIGKILL of a worker process", killing.kill_child, 6),
    "zygote": Kind("SIGKILL of the process that forks them", killing.kill_zygote),
    "supervisor": Kind("SIGKILL of a supervisor; another takes its place", killing.kill_supervisor, 3),
    "machine": Kind("SIGKILL of a supervisor with all its processes", killing.kill_machine),
    "stop": Kind("SIGTERM of a supervisor: ends in good order; another takes its place", killing.stop, 3),
    "restart": Kind("SIGHUP of a supervisor: its processes are replaced", killing.restart),
    "freeze-child": Kind("SIGSTOP of a worker process, then SIGCONT", killing.freeze_child, 3),
    "freeze-short": Kind("SIGSTOP of a supervisor for less than its lease, then SIGCONT", killing.freeze_short, 3),
    "freeze-long": Kind("SIGSTOP of a supervisor for more than its lease, then SIGCONT", killing.freeze_long),
    "freeze-machine": Kind("SIGSTOP of a supervisor with all its processes for more than its lease, then SIGCONT", killing.freeze_machine),
    "server": Kind("SIGKILL of the server; started again on what it has written", breaking.kill_server, 2, own=True),
    "hang": Kind("SIGSTOP of the server, also for more than the lease, then SIGCONT", breaking.freeze_server, 2, own=True),
    "connections": Kind("CLIENT KILL of every connection", breaking.cut_connections, 4),
    "scripts": Kind("SCRIPT FLUSH", breaking.flush_scripts, 2),
    "pause": Kind("CLIENT PAUSE, also for more than the lease", breaking.pause, 2),
    "full": Kind("maxmemory reached", breaking.fill, 2, own=True),
    "clock": Kind(
        "the server's clock set forward or back by 1 s, 60 s or an hour, then right", breaking.set_clock, 2, own=True, clock=True
    ),
    "replies": Kind("replies that are lost on their way, their connection cut", breaking.lose_replies, 5, own=True),
    "late": Kind("requests whose connection is cut, and that arrive later", breaking.hold_back, 4, own=True),
    "silence": Kind("connections that swallow everything without a word", breaking.silence, 2, own=True),
}
