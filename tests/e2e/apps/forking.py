"""An app whose zygote can't fork at first, and whose jobs fork."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import multiprocessing
import os
import threading
import time
from typing import Any

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


def _double(number: int) -> int:
    return 2 * number


async def _doubled() -> int:
    loop = asyncio.get_running_loop()
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        return await loop.run_in_executor(pool, _double, 4)


@queue.job(max_attempts=1)
def pools() -> None:
    """Use processes in every way, and leave a pool open."""
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        doubled = [executor.submit(_double, 1).result(30)]
    with context.Pool(1) as pool:
        doubled += pool.map(_double, [2])
    with context.Manager() as manager:
        shared: Any = manager.list([6])
        doubled += list(shared)
    doubled.append(asyncio.run(_doubled()))
    left = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
    doubled.append(left.submit(_double, 5).result(30))
    _left_open.append(left)
    note("pools", doubled)


_left_open: list[Any] = []


@queue.job(max_attempts=1)
async def apools() -> None:
    """Use a process from a coroutine."""
    note("apools", await _doubled())


@queue.job
def take(number: int) -> None:
    note("take", number)


@queue.job(max_attempts=1)
def push_around_forks(first: int) -> None:
    """Push before forks, in the forked processes and after them, while another thread pushes without pause; and in a buffer."""
    take.push(first)
    stop, sent = threading.Event(), []

    def push_on() -> None:
        while not stop.is_set():
            sent.append(take.push(first + 1000 + len(sent)))

    thread = threading.Thread(target=push_on)
    thread.start()
    with queue.buffer():
        take.push(first + 1)
        children = [_fork_and_push(first + 100 * child) for child in range(1, 5)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    stop.set()
    thread.join(10)
    take.push(first + 2)
    note("forked", [codes, len({handle.id for handle in sent}), len(sent)])


def _fork_and_push(first: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        handles = [take.push(first + number) for number in range(10)]
        code = 0 if len({handle.id for handle in handles}) == 10 else 2
    finally:
        os._exit(code)
