"""Processes: how they are forked, how they die, and what is known of each. The only file that knows `multiprocess`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from multiprocess import context, popen_fork

from taskq.clock import now_ms
from taskq.driver.contract import Kept
from taskq.scoreboard.slot import Record
from taskq.scoreboard.state import Lock

__all__ = ["Child", "Connection", "Death", "die_with_parent", "fork", "make_lock", "make_pipe"]

_context = context.ForkContext()
_PR_SET_PDEATHSIG = 1


class Connection(Protocol):
    """One end of a pipe that carries objects."""

    def send(self, obj: Any, /) -> None: ...

    def recv(self) -> Any: ...

    def fileno(self) -> int: ...

    def close(self) -> None: ...


#: Exit code of a child that somebody else has collected.
_UNKNOWN_STATUS = 255


class _Popen(popen_fork.Popen):  # type: ignore[misc]
    """Waits with wait4, which also tells the peak memory of the dead."""

    maxrss = 0
    returncode: int | None

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            try:
                pid, status, usage = os.wait4(self.pid, flag)
            except ChildProcessError:
                # A thread of the app has collected it (waitpid(-1)): it is dead, and nobody knows how.
                self.returncode = _UNKNOWN_STATUS
                return self.returncode
            except OSError:
                return None
            if pid == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                self.maxrss = usage.ru_maxrss
        return self.returncode


class Forked(context.ForkProcess):  # type: ignore[misc]
    """A forked process. Dead ones are collected by asking for `exitcode`."""

    @staticmethod
    def _Popen(process_obj: Any) -> _Popen:  # noqa: N802 (multiprocess calls it so)
        return _Popen(process_obj)

    @property
    def maxrss(self) -> int:
        """Peak memory of the dead process, as getrusage counts it."""
        return int(self._popen.maxrss) if self._popen is not None else 0


def fork(target: Callable[..., object], *args: Any) -> Any:
    """Fork a process that runs `target(*args)`.

    It begins with SIGTERM held back, and must let it through when its handler is set: one that came earlier would be lost.
    """
    process = Forked(target=target, args=args)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        _start(process)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _start(process: Any) -> None:
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside threads. taskq says so itself, once and with the reason, when the app starts some.
        warnings.simplefilter("ignore", DeprecationWarning)
        with _quiet_logging():
            process.start()


@contextlib.contextmanager
def _quiet_logging() -> Iterator[None]:
    """Hold the locks of all log handlers, so that no thread of the app is in the middle of writing a line.

    logging makes its own locks anew in a forked process. Those of the files below can't be: one that was held would be held for ever.
    """
    loggers = [logging.root, *(one for one in list(logging.root.manager.loggerDict.values()) if isinstance(one, logging.Logger))]
    locks = {id(handler): handler.lock for one in loggers for handler in one.handlers if handler.lock is not None}
    # A thread that holds one may wait for another (a handler that hands on to a second): then fork without, as everybody does.
    held = [lock for lock in locks.values() if lock.acquire(timeout=0.5)]
    try:
        yield
    finally:
        for lock in held:
            lock.release()


def make_lock() -> Lock:
    """A lock shared with processes forked later."""
    lock: Lock = _context.Lock()
    return lock


def make_pipe() -> tuple[Connection, Connection]:
    """Two connected ends; each sends and receives objects."""
    here: Any
    there: Any
    here, there = _context.Pipe(duplex=True)
    return here, there


def die_with_parent(parent: int) -> None:
    """Make sure that this process doesn't outlive its parent: its messages will be given to others.

    Args:
        parent: the parent's process id, read before the fork.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True, name="taskq-parent-watch").start()
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _watch_parent(parent: int) -> None:
    # Without PR_SET_PDEATHSIG nothing tells of a parent's death; a new parent id is the sign of it.
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(1.0)
    os.kill(os.getpid(), signal.SIGKILL)


class Death:
    """How a process ended."""

    __slots__ = ("maxrss", "status", "unknown")

    def __init__(self, status: int | None, maxrss: int = 0, unknown: str = "ended with its zygote") -> None:
        #: Exit code, minus the signal's number, or None when nobody knows.
        self.status = status
        self.maxrss = maxrss
        #: What is said when nobody knows.
        self.unknown = unknown

    def __str__(self) -> str:
        if self.status is None:
            return self.unknown
        if self.status >= 0:
            return f"exited with code {self.status}"
        try:
            name = signal.Signals(-self.status).name
        except ValueError:
            name = "unknown signal"
        return f"was killed by {name} (signal {-self.status})"


class Child:
    """What the supervisor knows of one worker process."""

    def __init__(self, slot: int, worker: str, channel: str, record: Record, zygote: int) -> None:
        self.slot = slot
        self.worker = worker
        self.channel = channel
        self.record = record
        #: Which zygote forked it.
        self.zygote = zygote
        self.pid: int | None = None
        self.started_ms = now_ms()
        self.registered = False
        self.mismatches = 0
        #: Monotonic time of the last good heartbeat.
        self.last_beat = 0.0
        #: When it is killed if it hasn't ended by then; None: it isn't asked to stop.
        self.kill_at: float | None = None
        #: Why it was killed by the supervisor, if it was.
        self.killed_for: Literal["stop", "timeout", "cancel"] | None = None
        #: True when it reserves no more, and another may take its place.
        self.leaving = False
        #: The messages that were running too long when it was killed.
        self.overdue: set[bytes] = set()
        #: The messages that were cancelled when it was killed for that, and what is kept of them.
        self.cancelled: dict[bytes, Kept] = {}
        self._is_told = False

    def ask_to_stop(self, kill_at: float) -> None:
        """Tell it to end after the running job; it is killed at `kill_at` (monotonic)."""
        if not self._is_told:
            self._is_told = True
            self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)
            self._signal(signal.SIGTERM)

    def tell_again(self) -> None:
        """Tell it to end, now that it has a process."""
        self._signal(signal.SIGTERM)

    def leave(self, kill_at: float) -> None:
        """Let another take its place: it reserves no more, and is killed at `kill_at` if it hasn't ended by then."""
        self.leaving = True
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def kill(self, why: Literal["stop", "timeout", "cancel"]) -> None:
        """Kill it, and what its jobs have started. One that has no process yet must be killed again when it has."""
        if self.pid is None:
            return
        if self.killed_for is None:
            self.killed_for = why
        self._signal(signal.SIGKILL, group=True)

    def interrupt(self) -> None:
        """Let it look who has cancelled its job."""
        self._signal(signal.SIGUSR2)

    def end_leftovers(self) -> None:
        """Kill what its jobs have started and left behind, unless that has a process group of its own."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: int, *, group: bool = False) -> None:
        if self.pid is None:
            return
        if group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
