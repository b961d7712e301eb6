"""A lock between processes that needs no file: for systems without a usable /dev/shm, where multiprocess keeps its locks."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import time
from typing import Any

from taskq.clock import monotonic

__all__ = ["Semaphore"]

#: Larger than a `sem_t` of any system.
_SIZE = 128
_PAUSE = 0.001


class Semaphore:
    """A POSIX semaphore in anonymous shared memory. Meets the protocol `Lock`; slower than the lock of multiprocess."""

    def __init__(self) -> None:
        """Raises OSError if the system has no such semaphores."""
        self._memory = mmap.mmap(-1, _SIZE)
        self._address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(self._memory)))
        self._libc: Any = ctypes.CDLL(None, use_errno=True)
        self._call("sem_init", 1, 1)

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take the lock. Return False if it is still held after the timeout, or at once without `block`."""
        if block and timeout is None:
            while not self._call("sem_wait"):
                pass  # a signal was handled
            return True
        # sem_timedwait measures by the time of day, which may jump.
        deadline = monotonic() + (timeout or 0.0 if block else 0.0)
        while not self._call("sem_trywait"):
            if monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def release(self) -> None:
        """Free the lock, whichever process has taken it."""
        self._call("sem_post")

    def _call(self, name: str, *args: int) -> bool:
        """Call a function of the C library. Return False if the lock is held, or a signal arrived first."""
        if getattr(self._libc, name)(self._address, *args) == 0:
            return True
        number = ctypes.get_errno()
        if number in (errno.EINTR, errno.EAGAIN):
            return False
        raise OSError(number, f"{name}: {os.strerror(number)}")
