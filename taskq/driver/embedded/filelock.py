"""A lock on a file. It is released when the last process that holds it exits, even by a crash."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_locked", "try_lock"]

#: The descriptors that `try_lock` holds in this process, each with its thread.
_lock_fds: dict[int, int] = {}


def _drop_inherited_locks() -> None:
    # A child forked by another thread at this moment would hold the lock too, until it exits. A child of the same thread is the program
    # that inherits the lock: gevent's subprocess forks in Python.
    for fd, thread in _lock_fds.items():
        if thread != threading.get_ident():
            os.close(fd)
    _lock_fds.clear()


os.register_at_fork(after_in_child=_drop_inherited_locks)


@contextmanager
def try_lock(path: Path, *, shared: bool = False) -> Iterator[int | None]:
    """Hold the lock and yield its file descriptor, or None if another process holds it. Never blocks.

    A process that inherits the descriptor continues to hold the lock after the `with` block.
    """
    fd = _open(path, os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT)
    _lock_fds[fd] = threading.get_ident()
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield fd
    finally:
        _lock_fds.pop(fd, None)
        os.close(fd)


def _open(path: Path, flags: int) -> int:
    """Open a file with a descriptor above those of the standard streams, which a program that this process starts would replace."""
    fd = os.open(path, flags, 0o600)
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def is_locked(path: Path) -> bool:
    """Return True if a process holds the lock. Changes nothing."""
    if not path.exists():
        return False
    with try_lock(path, shared=True) as lock:
        return lock is None
