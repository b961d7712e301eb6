"""An app whose zygote can't fork at first, and whose jobs fork."""

from __future__ import annotations

import errno
import multiprocessing
import os
import time

from taskq import Queue
from tests.support.ledger import note

queue = Queue()

if os.environ.get("TEST_FORK_FAILS"):
    _fork = os.fork
    _left = [int(os.environ["TEST_FORK_FAILS"])]

    def fork() -> int:
        """Fail some times, as a system without a free process does."""
        if _left[0]:
            _left[0] -= 1
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return _fork()

    os.fork = fork


@queue.job
def plain() -> None:
    note("plain")


@queue.job(max_attempts=1)
def terminate() -> None:
    """Fork a process, and tell it to end."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join(10)
    note("terminated", process.exitcode)


@queue.job(max_attempts=1)
def leave() -> None:
    """Leave a process behind."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=False)
    process.start()
    note("left", process.pid)
    os._exit(3)
