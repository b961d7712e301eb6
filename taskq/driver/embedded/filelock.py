"""A lock on a file that ends with the last process holding it, however that one ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_locked", "try_lock"]

#: What `try_lock` holds in this process now.
_lock_fds: set[int] = set()


def _drop_inherited_locks() -> None:
    # A child forked by another thread while we hold the lock would hold it too, for as long as it lives.
    while _lock_fds:
        os.close(_lock_fds.pop())


os.register_at_fork(after_in_child=_drop_inherited_locks)


@contextmanager
def try_lock(path: Path, *, shared: bool = False) -> Iterator[int | None]:
    """Hold the lock and give its file descriptor, or None when somebody else holds it. Never waits.

    A process that inherits the descriptor goes on holding the lock after the `with` has ended.
    """
    fd = os.open(path, os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT, 0o600)
    _lock_fds.add(fd)
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield fd
    finally:
        _lock_fds.discard(fd)
        os.close(fd)


def is_locked(path: Path) -> bool:
    """Return whether some process holds the lock now; changes nothing."""
    if not path.exists():
        return False
    with try_lock(path, shared=True) as lock:
        return lock is None
