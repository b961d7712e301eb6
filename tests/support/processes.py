"""Processes of a test: which are alive, and which it left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support.servers import ServerProcess

__all__ = ["adopt_orphans", "end_leftovers", "is_alive", "offspring"]

_PR_SET_CHILD_SUBREAPER = 36
#: True if the kernel lists the children of each thread.
_LISTS_CHILDREN = any(Path("/proc/self/task").glob("*/children"))


def adopt_orphans() -> None:
    """Make orphans of this process's children its own children, so that they are seen. Linux only.

    An adopted process that has ended stays as a zombie until the end of the test: ask `is_alive`, not `psutil.pid_exists`.
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
    if not _LISTS_CHILDREN:
        yield from psutil.Process().children(recursive=True)  # it reads all processes of the system
        return
    left = _children("self")
    while left:
        pid = left.pop()
        if int(pid) not in ServerProcess.running:
            left += _children(pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                yield psutil.Process(int(pid))


def _children(pid: str) -> list[str]:
    """Return the children of a process. With plain calls: pathlib's glob, around each test, took as long as the tests themselves."""
    found: list[str] = []
    with contextlib.suppress(FileNotFoundError):  # the process has ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:  # the thread has ended
                found += file.read().split()
    return found


def end_leftovers(before: set[psutil.Process], *, grace: float = 2.0) -> list[str]:
    """Kill every descendant that is not in `before` and doesn't end by itself within `grace` seconds; return what they were."""
    _reap_adopted()
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


def _reap_adopted() -> None:
    """Reap the orphans that have ended: as zombies they would be looked at around each later test."""
    with contextlib.suppress(ChildProcessError):  # there is no child
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _counts(process: psutil.Process) -> bool:
    try:
        if process.pid in ServerProcess.running or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
