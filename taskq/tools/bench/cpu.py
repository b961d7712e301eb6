"""How much of a processor other processes, and the server, have used."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from taskq.driver.contract import Command
from taskq.driver.pool import LinkPool
from taskq.errors import ServerRefused

__all__ = ["of_processes", "of_server"]

#: A process's own clock, as clock_getcpuclockid(3) makes its number on Linux: in nanoseconds, where /proc counts hundredths of a second.
_PROCESS_CLOCK = 2


def of_processes(pids: Iterable[int]) -> float | None:
    """Return the seconds of CPU that these processes have used so far; None if the system doesn't report them."""
    if sys.platform != "linux":
        return None
    try:
        return sum(time.clock_gettime(~pid << 3 | _PROCESS_CLOCK) for pid in pids)
    except OSError:  # one of them has ended
        return None


def of_server(sender: LinkPool) -> float | None:
    """Return the seconds of CPU that the server has used so far, for all clients; None if it doesn't report them."""
    try:
        next_report: bytes = sender.call(Command("report its CPU time", ("INFO", "cpu")))
    except ServerRefused:
        return None
    fields = dict(line.split(":", 1) for line in next_report.decode().splitlines() if ":" in line)
    try:
        return float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])
    except (KeyError, ValueError):
        return None
