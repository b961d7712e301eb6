"""Jobs of both kinds that run beside each other, and wait for the test's files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from typing import Any

import taskq
from taskq import Queue
from taskq.events import JobEvent
from tests.support.ledger import note

queue = Queue()
_opened: list[asyncio.Queue[str]] = []


def record(error: BaseException) -> None:
    note("on_fail", [type(error).__name__, str(error), taskq.current().id])


def _start(name: str) -> None:
    note("start", [name, taskq.current().attempt])


@queue.job
def hold(path: str, name: str = "") -> None:
    """Wait in a thread for a file of the test's."""
    _start(name)
    wait_until(path)
    note("end", name)


@queue.job
async def ahold(path: str, name: str = "") -> None:
    """Wait on the event loop for a file of the test's."""
    _start(name)
    try:
        while not os.path.exists(path):
            await asyncio.sleep(0.005)
        note("end", name)
    except asyncio.CancelledError:
        note("cancelled", name)
        raise


@queue.job(on_lost="timeout")
def careful(path: str, name: str = "") -> None:
    """The same for a job that may never run twice."""
    hold(path, name)


@queue.job
def who(path: str) -> None:
    before = taskq.current().id
    hold(path)
    note("who", [before, taskq.current().id])


@queue.job
async def awho(path: str) -> None:
    before = taskq.current().id
    await ahold(path)
    inside = await asyncio.to_thread(lambda: taskq.current().id)
    note("who", [before, taskq.current().id, inside])


@queue.job
async def pooled(word: str) -> None:
    """Use what the first job has opened: it belongs to one event loop."""
    if not _opened:
        _opened.append(asyncio.Queue())
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_opened[0].get(), 0.01)
    await _opened[0].put(word)
    note("pooled", [word, len(_opened)])


@queue.job
def later(word: str) -> Any:
    """A sync job that returns something to be awaited."""

    async def execute() -> None:
        await asyncio.sleep(0)
        note("later", [word, taskq.current().id, threading.current_thread() is threading.main_thread()])

    return execute()


@queue.job
def quick(number: int = 0) -> None:
    note("quick", number)


@queue.job
async def aquick(number: int = 0) -> None:
    note("aquick", number)


@queue.job
async def block(path: str) -> None:
    """Block the event loop, as no coroutine should."""
    hold(path, "block")


@queue.job
def die() -> None:
    note("die")
    os.kill(os.getpid(), signal.SIGKILL)


@queue.job
def leave_directory(path: str) -> None:
    os.chdir(path)


@queue.job
def where(number: int) -> None:
    note("where", os.getcwd())


@queue.job(on_fail=record, max_attempts=1)
def fail() -> None:
    raise ValueError("no")


@queue.job(on_fail=record, max_attempts=1)
async def afail() -> None:
    raise ValueError("no")


@queue.job
async def fork() -> None:
    """Fork a process that comes back from the job as if it were its worker."""
    if os.fork():
        note("forked")


@queue.job
async def leave_task() -> None:
    """Leave a task behind that wants to end the process."""

    async def leave() -> None:
        raise SystemExit(3)

    asyncio.get_running_loop().create_task(leave())
    await asyncio.sleep(0)
    note("left")


@queue.job
async def report_the_last(pid: int) -> None:
    """Tell of a progress at the end, while the server stands still."""
    taskq.progress(1)
    await asyncio.sleep(0.3)
    os.kill(pid, signal.SIGSTOP)
    taskq.progress(2)


@queue.job
async def tick() -> None:
    """Note the longest time for which the event loop stood still."""
    longest, now = 0.0, time.monotonic()
    until = now + 2.5
    note("ticking")
    while now < until:
        await asyncio.sleep(0.01)
        longest, now = max(longest, time.monotonic() - now), time.monotonic()
    note("longest", longest)


@queue.job
async def listen_to_a_signal() -> None:
    """Let the event loop have a signal for a while, with which it takes Python's wake-up pipe."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: None)
    loop.remove_signal_handler(signal.SIGUSR1)
    note("listened")


@queue.job(max_attempts=2, retry_seconds=0)
def fail_twice() -> None:
    note("fail_twice", taskq.current().attempt)
    raise ValueError("no")


def listen_slowly(event: JobEvent) -> None:
    note("told", event.context.attempt)
    wait_until(os.environ["LISTEN_UNTIL"])


def wait_until(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.005)


def after(event: JobEvent) -> None:
    note("after", event.context.id)


if "LISTEN" in os.environ:  # not in the process of the tests, which imports this, too
    taskq.events.after.connect(after)
if "LISTEN_UNTIL" in os.environ:
    taskq.events.retry.connect(listen_slowly)
