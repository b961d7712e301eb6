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
    "zygote": Kind("SIGKILL of a zygote; its worker processes are killed with it", killing.kill_zygote),
    "supervisor": Kind("SIGKILL of a supervisor; another one replaces it", killing.kill_supervisor, 3),
    "machine": Kind("SIGKILL of a supervisor and all its processes", killing.kill_machine),
    "stop": Kind("SIGTERM of a supervisor: a graceful shutdown; another one replaces it", killing.stop, 3),
    "restart": Kind("SIGHUP of a supervisor: a rolling restart", killing.restart),
    "freeze-child": Kind("SIGSTOP of a worker process, then SIGCONT", killing.freeze_child, 3),
    "freeze-short": Kind("SIGSTOP of a supervisor for less than the lease, then SIGCONT", killing.freeze_short, 3),
    "freeze-long": Kind("SIGSTOP of a supervisor for longer than the lease, then SIGCONT", killing.freeze_long),
    "freeze-machine": Kind("SIGSTOP of a supervisor and all its processes for longer than the lease, then SIGCONT", killing.freeze_machine),
    "log": Kind("the log of a supervisor and its processes is not read, so its pipe fills", killing.leave_log),
    "server": Kind("SIGKILL of the server, which restarts from what it has written", breaking.kill_server, 2, own=True),
    "hang": Kind("SIGSTOP of the server, also for longer than the lease, then SIGCONT", breaking.freeze_server, 2, own=True),
    "connections": Kind("CLIENT KILL: the server closes every connection", breaking.cut_connections, 4),
    "scripts": Kind("SCRIPT FLUSH: the server forgets the scripts", breaking.flush_scripts, 2),
    "pause": Kind("CLIENT PAUSE: the server delays commands, also for longer than the lease", breaking.pause, 2),
    "full": Kind("the server reaches maxmemory and rejects pushes", breaking.fill, 2, own=True),
    "clock": Kind(
        "the server's clock is set forward or back by 1 s, 60 s or an hour, then corrected", breaking.set_clock, 2, own=True, clock=True
    ),
    "replies": Kind("replies are lost, and their connections are closed", breaking.lose_replies, 5, own=True),
    "late": Kind("requests arrive after their connections were closed", breaking.hold_back, 4, own=True),
    "silence": Kind("connections stay open and drop all data", breaking.silence, 2, own=True),
}
