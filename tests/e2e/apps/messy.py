"""Jobs that change what is around them, and leave it so."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import taskq
from taskq import Queue
from tests.support.ledger import LEDGER, note

queue = Queue(channels={"bulk": {}})


@queue.job
def state() -> None:
    """Tell what a job finds."""
    note("state", {"pid": os.getpid(), "folder": os.getcwd(), "alarm": signal.getsignal(signal.SIGTERM).__class__.__name__})


@queue.job
def mess_up(how: str) -> None:
    """Change one thing forever."""
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
    elif how == "environment":
        for name in [name for name in os.environ if name != LEDGER]:
            del os.environ[name]
    elif how == "event loops":
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        asyncio.set_event_loop(None)
    elif how == "output":
        sys.stdout.close()
        sys.stderr.flush()
    elif how == "collector":
        gc.disable()
        sys.setrecursionlimit(150)


@queue.job
async def astate() -> None:
    """Tell that async jobs run, too."""
    await asyncio.sleep(0)
    note("astate", os.getpid())


@queue.job(max_attempts=1)
def eat(limit_mib: int) -> None:
    """Eat memory until there is none."""
    note("eat", os.getpid())
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (limit_mib << 20), resource.RLIM_INFINITY))
    try:
        _kept.extend(bytearray(1 << 20) for _ in range(100 * limit_mib))
    finally:
        _kept.clear()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@queue.job
def leak_descriptors() -> None:
    """Open files until the process may open no more, and keep them."""
    note("leak_descriptors", os.getpid())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    with contextlib.suppress(OSError):
        while True:
            _kept.append(os.open("/dev/null", os.O_RDONLY))


@queue.job
def fork_many(count: int) -> None:
    """Start processes that never return, and return."""
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            while True:
                time.sleep(60)
        note("forked one", pid)


@queue.job(handle_timeout=0.5, max_attempts=1)
def fork_and_hang(count: int) -> None:
    """The same, and don't return."""
    fork_many(count)
    time.sleep(60)


@queue.job
def push_many(count: int, at_once: int) -> None:
    """Push a great many messages, into a channel that nobody works."""
    note("memory", _resident())
    for start in range(0, count, at_once):
        bulk.push_many([(number,) for number in range(start, start + at_once)])
    note("memory", _resident())


@queue.job(channel="bulk")
def bulk(number: int) -> None:
    note("bulk", number)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


_kept: list[Any] = []


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


@queue.job
def close_one_end() -> None:
    """Close the ends of pipes that lead out of this process, the one to the supervisor among them."""
    links = [Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    found = {int(link.name): str(link.readlink()) for link in links if link.is_symlink()}
    for fd, where in found.items():
        if fd > 2 and where.startswith("pipe:") and list(found.values()).count(where) == 1:
            os.close(fd)
    note("closed", os.getpid())


@queue.job
async def forget_parent() -> None:
    """What a change of the user does, too, in the main thread: the kernel doesn't end this process with its parent any more."""
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    note("forgot", os.getpid())
