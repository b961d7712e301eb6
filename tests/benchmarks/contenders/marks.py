"""What a job leaves behind, the same for every library: a byte that counts its runs, and the moment of its start.

Both are files that all processes map into their memory, so a job needs no system call, takes no lock, and loses nothing when its
process ends in any way: the count of runs costs a tenth of a microsecond. The clock is one for the whole machine.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

__all__ = ["ended", "run", "started", "take"]


def _map(name: str) -> mmap.mmap:
    with open(os.environ["BENCH_MARKS"] + name, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


RUNS = _map(".runs")
STARTS = _map(".starts")
ENDS = _map(".ends")
_MOMENT = struct.Struct("d")


def run(number: int) -> None:
    """Count a run of the job of that number."""
    RUNS[number] += 1


def started(number: int) -> None:
    """Write down the moment."""
    _MOMENT.pack_into(STARTS, number * 8, time.monotonic())


def ended(number: int) -> None:
    """Write down the moment."""
    _MOMENT.pack_into(ENDS, number * 8, time.monotonic())


def take(number: int) -> float:
    """Return when the job started, and forget it; 0.0 when it hasn't."""
    (moment,) = _MOMENT.unpack_from(STARTS, number * 8)
    if moment:
        _MOMENT.pack_into(STARTS, number * 8, 0.0)
    return float(moment)
