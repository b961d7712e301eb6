"""The resident memory of a process."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

__all__ = ["memory_of", "peak_bytes", "resident_bytes"]


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes; outside Linux, its peak."""
    return memory_of("self") or peak_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def memory_of(pid: int | str | None) -> int:
    """Return the resident memory of a process in bytes; 0 if it has exited, and outside Linux."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def peak_bytes(maxrss: int) -> int:
    """Return `ru_maxrss` in bytes: Linux reports KiB, macOS bytes."""
    return maxrss if sys.platform == "darwin" else maxrss * 1024
