"""Jobs that change what is around them, and leave it so."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from typing import Any

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue()


@queue.job
def state() -> None:
    """Tell what a job finds."""
    note("state", {"pid": os.getpid(), "folder": os.getcwd(), "alarm": signal.getsignal(signal.SIGTERM).__class__.__name__})


@queue.job
def mess_up(how: str) -> None:
    """Change one thing for ever."""
    note("mess_up", os.getpid())
    if how == "folder":
        os.chdir("/")
    elif how == "removed folder":
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
    elif how == "signals":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
    elif how == "descriptors":
        os.closerange(3, 1000)
    elif how == "path":
        sys.path.clear()
    elif how == "umask":
        os.umask(0)


@queue.job
def fork() -> None:
    """Fork, and let both processes come back from the job."""
    parent = os.getpid()
    pid = os.fork()
    note("forked", [taskq.current().attempt, os.getpid() == parent])
    if pid:
        os.waitpid(pid, 0)


class Stubborn(Exception):
    """Can't be shown, nor pickled."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __reduce__(self) -> Any:
        raise TypeError("no bytes")


@queue.job(max_attempts=1)
def fail(how: str) -> None:
    """Fail in an awkward way."""
    if how == "stubborn":
        raise Stubborn
    if how == "huge":
        raise ValueError("x" * 10_000_000)
    if how == "deep":
        _recurse(0)
    if how == "surrogate":
        raise ValueError("\ud800 half a letter")
    if how == "group":
        raise ExceptionGroup("many", [ValueError("a"), ExceptionGroup("more", [KeyError("b")])])


def _recurse(depth: int) -> None:
    _recurse(depth + 1)


@queue.job
def returns_anything() -> Any:
    """Return what no serializer can take."""
    note("returns")
    return lambda: None
