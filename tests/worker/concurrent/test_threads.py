"""Calling jobs in threads: the exception that ends one must never hit another."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from queue import Queue as SharedQueue
from typing import Any

import pytest

from taskq.errors import JobCancelled, JobTimeout
from taskq.worker.concurrent.threads import Interrupt, ThreadExecutor, _raise_in
from taskq.worker.concurrent.timers import Timers
from taskq.worker.execute.places import PATIENCE
from tests.support.wait import when


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def executor(loop: asyncio.AbstractEventLoop) -> ThreadExecutor:
    """One that awaits on that loop."""
    return ThreadExecutor(loop, Timers())


def spin(seconds: float) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "done"


def swallow() -> str:
    try:
        spin(10)
    except JobTimeout:
        return "swallowed"
    return "never told"


def test_a_limit_in_a_task_group_has_a_text(executor: ThreadExecutor) -> None:
    """Given a sync job with an event loop of its own, when its limit strikes in a task group there, then the error in it has a text."""

    async def task() -> None:
        spin(30)

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(task())

    with pytest.raises(BaseExceptionGroup) as caught:
        executor.execute(lambda: asyncio.run(group()), (), {}, 0.05)
    assert [str(error) for error in caught.value.exceptions] == ["the job ran longer than its handle_timeout of 0.05 s"]


def test_results_and_errors_come_out(executor: ThreadExecutor) -> None:
    """Given sync and async functions and one that returns an awaitable, then values and errors come out, with a limit and without."""

    async def double(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    def fail() -> None:
        raise KeyboardInterrupt

    for timeout in (0.0, 5.0):
        assert executor.execute(lambda x, y: x + y, (1,), {"y": 2}, timeout) == 3
        assert executor.execute(double, (4,), {}, timeout) == 8
        assert executor.execute(lambda: double(5), (), {}, timeout) == 10
        with pytest.raises(KeyboardInterrupt):
            executor.execute(fail, (), {}, timeout)


@pytest.mark.parametrize("job", [lambda: spin(10), lambda: asyncio.sleep(10)], ids=["thread", "loop"])
def test_the_limit_ends_a_call(executor: ThreadExecutor, job: Any) -> None:
    """Given a call over its limit, in Python code or awaited, then JobTimeout comes out in time, with the limit in its text."""
    began = time.monotonic()
    with pytest.raises(JobTimeout, match=r"longer than its handle_timeout of 0\.05 s"):
        executor.execute(job, (), {}, 0.05)
    assert time.monotonic() - began < 9.5


def test_a_call_may_take_it_as_a_hint(executor: ThreadExecutor) -> None:
    """Given a call that catches JobTimeout and returns, then its value comes out, and the next call isn't disturbed."""
    assert executor.execute(swallow, (), {}, 0.02) == "swallowed"
    assert executor.execute(spin, (0.05,), {}, 0.0) == "done"


def test_the_exception_never_hits_the_next_call(executor: ThreadExecutor) -> None:
    """Given hundreds of calls that end at the moment of their limits, then each returns or ends at its limit, and no other call is hit."""

    def many() -> list[str]:
        announced = []
        for number in range(300):
            limit = 0.0005 + number % 7 * 0.00005
            try:
                announced.append(executor.execute(spin, (0.0006,), {}, limit))
            except JobTimeout as error:
                announced.append(str(error))
            # Without a limit of its own nothing may arrive here.
            announced.append(executor.execute(spin, (0.00005,), {}, 0.0))
        return announced

    with ThreadPoolExecutor(2) as pool:
        announced = [text for future in [pool.submit(many), pool.submit(many)] for text in future.result()]
    assert len(announced) == 1200
    assert announced[1::2] == ["done"] * 600
    assert all(text == "done" or "longer than its handle_timeout" in text for text in announced)


def test_a_cancel_between_the_call_and_what_it_returned_to_be_awaited_arrives(
    executor: ThreadExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a function that returned an awaitable, if it is cancelled before that is on the event loop, then the awaitable is cancelled."""
    put = asyncio.run_coroutine_threadsafe

    def put_late(*args: Any) -> Any:
        executor.cancel()
        return put(*args)

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", put_late)
    with pytest.raises(CancelledError):
        executor.execute(lambda: asyncio.sleep(10), (), {}, 0.0)
    monkeypatch.undo()
    assert executor.execute(lambda: asyncio.sleep(0, "done"), (), {}, 0.0) == "done"


def test_the_limit_ends_a_call_that_has_swallowed_its_cancel(executor: ThreadExecutor) -> None:
    """Given a call that is cancelled and continues, when it reaches its limit, then JobTimeout is raised in it."""
    announced = []

    def go_on() -> None:
        try:
            spin(10)
        except JobCancelled:
            announced.append("cancelled")
        spin(10)

    Timers().set(time.monotonic() + 0.1, executor.cancel)
    with pytest.raises(JobTimeout, match="longer than its handle_timeout"):
        executor.execute(go_on, (), {}, 0.4)
    assert announced == ["cancelled"]
    assert executor.execute(spin, (0.05,), {}, 0.0) == "done"


def test_a_thread_that_takes_a_lock_is_not_interrupted_before_it_has_released_it(executor: ThreadExecutor) -> None:
    """Given a call over its limit that waits for a lock in `threading`, then JobTimeout comes when it has released the lock again."""
    condition, announced = threading.Condition(threading.Lock()), []

    def wait() -> None:
        with condition:
            announced.append("has it")
        spin(10)

    condition.acquire()
    threading.Timer(2 * PATIENCE, condition.release).start()
    with pytest.raises(JobTimeout):
        executor.execute(wait, (), {}, 0.05)
    assert announced == ["has it"]
    assert condition.acquire(timeout=30)


def test_no_lock_stays_locked(executor: ThreadExecutor) -> None:
    """Given a hundred calls that are interrupted while they use a queue, then its lock is free each time."""
    queue: SharedQueue[int] = SharedQueue()

    def use() -> None:
        while True:
            queue.put(1)
            queue.get()
            sum(range(500))

    for number in range(100):
        with pytest.raises(JobTimeout):
            executor.execute(use, (), {}, 0.001 + number % 10 * 0.0001)
        assert queue.mutex.acquire(timeout=30)
        queue.mutex.release()


def test_an_import_is_interrupted_late(loop: asyncio.AbstractEventLoop, slow_module: str) -> None:
    """Given a call over its limit in an import that doesn't end, then it is interrupted in the end, and the process must be replaced."""
    replaced: list[bool] = []
    executor = ThreadExecutor(loop, Timers(), lambda: replaced.append(True))
    with pytest.raises(JobTimeout):
        executor.execute(importlib.import_module, (slow_module,), {}, 0.05)
    assert replaced
    assert slow_module not in sys.modules


def test_a_traceback_through_a_module_shows_a_broken_import(loop: asyncio.AbstractEventLoop, slow_module: str) -> None:
    """Given a cancel that arrives in an import after all, then the process must be replaced."""
    replaced: list[bool] = []
    executor = ThreadExecutor(loop, Timers(), lambda: replaced.append(True))

    def load() -> None:
        me = threading.get_ident()
        when(lambda: sys._current_frames()[me].f_code.co_name == "<module>", lambda: _raise_in(me, JobCancelled))
        importlib.import_module(slow_module)

    with pytest.raises(JobCancelled):
        executor.execute(load, (), {}, 0.0)
    assert replaced == [True]


def test_nothing_follows_the_limit_and_nothing_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a call that is interrupted repeatedly, then each exception is sent once, and after JobTimeout no other."""
    sent: list[Any] = []
    monkeypatch.setattr("taskq.worker.concurrent.threads._raise_in", lambda thread, kind: sent.append(kind))
    interrupt = Interrupt()
    for kind in (JobCancelled, JobCancelled, JobTimeout, JobTimeout, JobCancelled):
        interrupt.send(kind)
    assert sent == [JobCancelled, JobTimeout]


def test_closing_withdraws_a_sent_exception_and_waits_for_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a thread that is just sending, when the call closes, then it waits for that thread, and withdraws the exception."""
    begun, go_on, done = threading.Event(), threading.Event(), []

    def raise_in(thread: int, kind: Any) -> None:
        if kind is JobTimeout:
            begun.set()
            assert go_on.wait(10)
        done.append("sent" if kind is JobTimeout else "taken back")

    monkeypatch.setattr("taskq.worker.concurrent.threads._raise_in", raise_in)
    interrupt = Interrupt()
    sender = threading.Thread(target=interrupt.send, args=(JobTimeout,))
    sender.start()
    assert begun.wait(10)
    threading.Timer(0.1, go_on.set).start()
    interrupt.close()
    assert done == ["sent", "taken back"]
    sender.join()


def test_an_exception_that_was_not_raised_yet_is_withdrawn() -> None:
    """Given an exception that is sent while the lock is held, if the call closes before the next bytecode, then nothing is raised after."""
    interrupt = Interrupt()
    interrupt.close()
    interrupt.send(JobTimeout)
    assert spin(0.02) == "done"
