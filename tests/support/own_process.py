"""State of its own process that a test must restore: handlers, variables, descriptors, threads, listeners, `taskq.state`."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sys
import threading
import time

# Of 31 signals, before and after each test: signal.getsignal turns each result into an enum member.
from _signal import getsignal  # type: ignore[import-not-found]
from collections.abc import Iterator
from typing import Any

__all__ = ["ProcessState"]

#: pytest-timeout has the handler of SIGALRM.
_SIGNALS = sorted(set(signal.valid_signals()) - {signal.SIGALRM, signal.SIGKILL, signal.SIGSTOP})[:31]
#: Threads that a worker process keeps until it exits, and that its parts can't end in a test.
_KEPT = re.compile(r"taskq-timers|taskq-\d+|taskq progress|taskq stream|taskq last progress_\d+")
#: Seconds that threads and descriptors get to end.
_GRACE = 2.0


class ProcessState:
    """A snapshot of this process. It is taken before each test, so it costs little; what it compares, only a leak makes slow."""

    def __init__(self) -> None:
        self._values = _plain_values()
        self._files = _files()
        self._threads = set(threading.enumerate())

    def changes(self) -> list[str]:
        """Return what has changed since then. Threads and descriptors get some time, and the garbage collector, to end."""
        after = _plain_values()
        found = [f"{name}: {_difference(before, after[name])}" for name, before in self._values.items() if after[name] != before]
        deadline = time.monotonic() + _GRACE
        while left := [*self._new_threads(), *self._new_files()]:
            if time.monotonic() > deadline:
                return found + left
            gc.collect()
            time.sleep(0.01)
        return found

    def _new_threads(self) -> Iterator[str]:
        if threading.active_count() > 1:
            new = [thread for thread in threading.enumerate() if thread not in self._threads]
            yield from (f"thread: {thread!r}" for thread in new if not _KEPT.fullmatch(thread.name))

    def _new_files(self) -> Iterator[str]:
        yield from (f"descriptor {number}: {target}" for number, target in _files() - self._files)


def _files() -> set[tuple[str, str]]:
    """Return the open descriptors, with what each refers to. Without sockets: clients keep connections to the servers that tests share."""
    found = set()
    # The pipe of multiprocessing's resource tracker stays open once a process was spawned.
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    kept = str(tracker._resource_tracker._fd) if tracker is not None else ""
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            target = os.readlink(f"/proc/self/fd/{number}")
            if not target.startswith("socket:") and number != kept:
                found.add((number, target))
    return found


def _plain_values() -> dict[str, Any]:
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    hooks, context, events = (sys.modules.get(f"taskq.{name}") for name in ("jobs.hooks", "context", "events"))
    signals = [value for value in vars(events).values() if isinstance(value, events.Signal)] if events is not None else []
    return {
        "taskq.state": hooks.state._values if hooks is not None else None,
        "running job": context._current.get() if context is not None else None,
        "listeners": sum(len(signal.receivers) for signal in signals),
        "signal handlers": [getsignal(number) for number in _SIGNALS],
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "signal wake-up": wakeup,
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "directory": os.getcwd(),
    }


def _difference(before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):  # never the values: variables may be secret
        return ", ".join(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
    return f"{before!r:.300} -> {after!r:.300}"
