"""Forking processes. The only file that imports `multiprocess`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from taskq.clock import monotonic
from taskq.scoreboard.state import Lock
from taskq.stdio.output import flush_output, renew_buffer, renew_output
from taskq.supervisor.processes.exit import end_threads, inherit_hooks, run_hooks
from taskq.supervisor.processes.semaphore import Semaphore

__all__ = ["Connection", "die_with_parent", "fork", "make_lock", "make_pipe"]


@contextlib.contextmanager
def _temporary_directory() -> Iterator[None]:
    """Let an import find a temporary directory. dill, which multiprocess imports, looks for one, and taskq needs none."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = "/"
        try:
            yield
        finally:
            tempfile.tempdir = None
    else:
        yield


with _temporary_directory():
    from multiprocess import context, popen_fork
    from multiprocess import process as process_module

_context = context.ForkContext()


_PR_SET_PDEATHSIG = 1


class Connection(Protocol):
    """Protocol: one end of a pipe that carries objects."""

    def send(self, obj: Any, /) -> None: ...

    def recv(self) -> Any: ...

    def fileno(self) -> int: ...

    def close(self) -> None: ...


#: Exit code of a child that other code has reaped.
_UNKNOWN_STATUS = 255


#: Seconds between two looks at a process that is waited for.
_LOOK = 0.005


class _Popen(popen_fork.Popen):  # type: ignore[misc]
    """Waits with wait4, which also reports the peak memory of the process.

    Opens no pipes, unlike its base class: two for each process would be inherited by all later ones, and 500 processes would exceed
    the usual limit of 1,024 descriptors.
    """

    maxrss = 0
    pid: int
    sentinel = -1

    def __init__(self, process: Any) -> None:
        # Without multiprocess's flush of the output: it waits while the reader hangs, and a forked process has its own buffers.
        self.returncode: int | None = None
        self.finalizer = None
        self._launch(process)

    def _launch(self, process_obj: Any) -> None:
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            inherit_hooks()
            code = process_obj._bootstrap()
        finally:
            run_hooks()
            flush_output()
            os._exit(code)

    def wait(self, timeout: float | None = None) -> int | None:
        if timeout is None:
            return self.poll(0)
        deadline = monotonic() + timeout
        while self.poll() is None and monotonic() < deadline:
            time.sleep(_LOOK)
        return self.returncode

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            try:
                pid, status, usage = os.wait4(self.pid, flag)
            except ChildProcessError:
                # A thread of the app has reaped it (waitpid(-1)): its exit status is unknown.
                self.returncode = _UNKNOWN_STATUS
                return self.returncode
            except OSError:
                return None
            if pid == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                self.maxrss = usage.ru_maxrss
        return self.returncode


class Forked(context.ForkProcess):  # type: ignore[misc]
    """A forked process. Reading `exitcode` reaps a process that has exited."""

    @staticmethod
    def _Popen(process_obj: Any) -> _Popen:  # noqa: N802 (multiprocess calls it so)
        return _Popen(process_obj)

    def _bootstrap(self, *args: Any, **kwargs: Any) -> Any:
        """The life of the forked process."""
        renew_output()
        _renew_handlers()
        return super()._bootstrap(*args, **kwargs)

    def run(self) -> None:
        """Run the target. Python waits for all threads after it, so this waits before."""
        try:
            super().run()
        finally:
            end_threads()

    @property
    def maxrss(self) -> int:
        """Peak memory of the exited process, in the unit of getrusage."""
        return int(self._popen.maxrss) if self._popen is not None else 0


def fork(target: Callable[..., object], *args: Any) -> Any:
    """Fork a process that runs `target(*args)`.

    The process begins with SIGTERM blocked, and must unblock it once its handler is set: an earlier signal would be lost.
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
        # Python 3.12 warns about forking with threads. taskq logs its own warning, once, if the app starts threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    # Otherwise each start would check all earlier processes.
    process_module._children.discard(process)


def _renew_handlers() -> None:
    """Renew the files of all log handlers."""
    loggers = [logging.root, *(one for one in list(logging.root.manager.loggerDict.values()) if isinstance(one, logging.Logger))]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        renew_buffer(getattr(handler, "stream", None))


def make_lock() -> Lock:
    """Return a lock that is shared with processes forked later."""
    lock: Lock
    try:
        lock = _context.Lock()
    except OSError:  # /dev/shm is full, read-only, or missing
        lock = Semaphore()
    return lock


def make_pipe() -> tuple[Connection, Connection]:
    """Return two connected ends; each sends and receives objects."""
    here: Any
    there: Any
    here, there = _context.Pipe(duplex=True)
    return here, there


def die_with_parent(parent: int) -> None:
    """Make sure that this process doesn't outlive its parent: its messages will be reassigned.

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
    # Without PR_SET_PDEATHSIG, a changed parent id is the only sign of the parent's death.
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(1.0)
    os.kill(os.getpid(), signal.SIGKILL)
