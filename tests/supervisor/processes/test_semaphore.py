"""A lock between processes that needs no file."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import threading
import time
from types import FrameType

from taskq.supervisor.processes.semaphore import Semaphore
from tests.support.wait import wait_until


def test_only_one_process_has_it() -> None:
    """Given four processes that count in shared memory, then no count is lost."""
    lock, memory = Semaphore(), mmap.mmap(-1, 8)
    pids = []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            for _ in range(2000):
                lock.acquire()
                (count,) = struct.unpack("=Q", memory[:8])
                memory[:8] = struct.pack("=Q", count + 1)
                lock.release()
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert struct.unpack("=Q", memory[:8]) == (8000,)


def test_a_held_lock_is_not_taken() -> None:
    """Given a held lock, then an attempt with a timeout, or without waiting, returns False; once it is free, True."""
    lock = Semaphore()
    assert lock.acquire()
    assert not lock.acquire(False)
    began = time.monotonic()
    assert not lock.acquire(True, 0.05)
    assert time.monotonic() - began >= 0.05
    lock.release()
    assert lock.acquire(True, 0.05)


def test_another_process_may_release_it() -> None:
    """Given a process that was killed with the lock, then its parent frees it."""
    lock = Semaphore()
    pid = os.fork()
    if not pid:
        lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not lock.acquire(True, 0.01)
    lock.release()
    assert lock.acquire(False)


def test_signals_are_handled_while_it_waits() -> None:
    """Given a process that waits for the lock, then a signal handler runs at once, and the wait goes on."""
    lock, handled = Semaphore(), threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        handled.set()

    before = signal.signal(signal.SIGUSR1, handle)
    lock.acquire()

    def free() -> None:
        wait_until(lambda: _waits(thread_id))
        signal.pthread_kill(main, signal.SIGUSR1)
        if handled.wait(10):
            lock.release()

    main, thread_id = threading.get_ident(), threading.get_native_id()
    helper = threading.Thread(target=free)
    helper.start()
    try:
        assert lock.acquire()
    finally:
        helper.join()
        signal.signal(signal.SIGUSR1, before)
    assert handled.is_set()


def _waits(thread_id: int) -> bool:
    """Return whether a thread sleeps in a futex."""
    with open(f"/proc/self/task/{thread_id}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] == b"S"
