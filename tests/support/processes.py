"""Processes of a test: which are alive, and which it left behind."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support.servers import ServerProcess

__all__ = ["adopt_orphans", "end_leftovers", "is_alive", "offspring"]

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make orphans of this process's children its own children, so that they are seen. Linux only.

    An adopted process that has ended stays as a zombie until this one ends: ask `is_alive`, not `psutil.pid_exists`.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def is_alive(pid: int) -> bool:
    """Return whether this process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def offspring() -> set[psutil.Process]:
    """Return all descendants of this process that are alive, without the fixtures' servers and Python's resource tracker."""
    return set(filter(_counts, _descendants()))


def _descendants() -> Iterator[psutil.Process]:
    if not any(Path("/proc/self/task").glob("*/children")):
        yield from psutil.Process().children(recursive=True)  # it reads all processes of the system
        return
    left = _children("self")
    while left:
        pid = left.pop()
        left += _children(pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            yield psutil.Process(int(pid))


def _children(pid: str) -> list[str]:
    found: list[str] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found += file.read_text().split()
    return found


def end_leftovers(before: set[psutil.Process], *, grace: float = 2.0) -> list[str]:
    """Kill every descendant that is not in `before` and doesn't end by itself within `grace` seconds; return what they were."""
    new = list(offspring() - before)
    if not new:
        return []
    _, alive = psutil.wait_procs(new, timeout=grace)
    left = []
    for process in filter(_counts, alive):
        try:
            left.append(f"{process.pid}: {' '.join(process.cmdline())}")
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    return left


def _counts(process: psutil.Process) -> bool:
    try:
        if process.pid in ServerProcess.running or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
