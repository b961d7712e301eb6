"""Calling a job's function: sync and async, within its time."""

from __future__ import annotations

import asyncio
import importlib
import io
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from taskq.errors import JobCancelled, JobTimeout
from taskq.worker.execute.executor import SyncExecutor, _Waiting
from taskq.worker.execute.places import PATIENCE
from tests.support.wait import main_thread_takes_a_lock, when
from tests.support.worker import clean_environment


@pytest.fixture
def usr2() -> Iterator[None]:
    """The handler of SIGUSR2 is restored afterwards."""
    before = signal.getsignal(signal.SIGUSR2)
    yield
    signal.signal(signal.SIGUSR2, before)


@pytest.fixture
def executor() -> Iterator[SyncExecutor]:
    """An executor, with the earlier signal handler restored afterwards."""
    before = signal.getsignal(signal.SIGALRM)
    executor = SyncExecutor()
    yield executor
    executor.close()
    signal.signal(signal.SIGALRM, before)


def call(executor: SyncExecutor, function: Any, *args: Any, timeout: float = 0.0, **kwargs: Any) -> Any:
    return executor.execute(function, args, kwargs, timeout)


async def _double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


def test_what_a_job_leaves_on_the_loop_does_not_fail_the_next(executor: SyncExecutor, caplog: pytest.LogCaptureFixture) -> None:
    """Given jobs that leave a task which exits, or a callback that stops the loop, then the next jobs get their results."""

    async def leave_exit() -> None:
        async def leave() -> None:
            raise SystemExit(3)

        executor.left = asyncio.create_task(leave())  # type: ignore[attr-defined]

    async def leave_stop() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.call_soon(loop.stop))

    for job in (leave_exit, leave_stop):
        call(executor, job)
        assert call(executor, _double, 4) == 8
    assert "a task that a job started on the event loop raised SystemExit(3)" in caplog.text
    assert executor.left.exception().code == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("timeout", [0.0, 5.0])
def test_results_come_back(executor: SyncExecutor, timeout: float) -> None:
    """Given sync and async functions and one that returns an awaitable, then the result is the value, with a limit and without."""
    assert call(executor, lambda x, y=0: x + y, 1, y=2, timeout=timeout) == 3
    assert call(executor, _double, 4, timeout=timeout) == 8
    assert call(executor, lambda: _double(5), timeout=timeout) == 10


@pytest.mark.parametrize("timeout", [0.0, 5.0])
@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, BaseException, asyncio.CancelledError])
def test_exceptions_come_out_as_they_are(executor: SyncExecutor, kind: type[BaseException], timeout: float) -> None:
    """Given functions that raise any exception, then it comes out unchanged, and the executor can be used again."""
    error = kind("no")

    def fail() -> None:
        raise error

    async def afail() -> None:
        raise error

    for function in (fail, afail):
        with pytest.raises(kind) as caught:
            call(executor, function, timeout=timeout)
        assert caught.value is error or kind is asyncio.CancelledError
    assert call(executor, _double, 1, timeout=timeout) == 2


def test_a_sync_job_is_interrupted(executor: SyncExecutor) -> None:
    """Given a sync function over its limit, then JobTimeout is raised inside it, at its limit."""
    seen: list[str] = []

    def slow() -> None:
        try:
            time.sleep(10)
        except JobTimeout as error:
            seen.append(str(error))
            raise

    began = time.monotonic()
    with pytest.raises(JobTimeout):
        call(executor, slow, timeout=0.05)
    assert 0.05 <= time.monotonic() - began < 8
    assert seen == ["the job ran longer than its handle_timeout of 0.05 s"]


def test_an_async_job_is_cancelled(executor: SyncExecutor) -> None:
    """Given a coroutine over its limit, then it is cancelled and may clean up, and what comes out is JobTimeout."""
    seen: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append("cleaned up")

    with pytest.raises(JobTimeout, match=r"handle_timeout of 0\.05 s") as caught:
        call(executor, slow, timeout=0.05)
    assert seen == ["cleaned up"]
    assert "slow" in [entry.name for entry in caught.traceback]  # where the job waited


def test_a_timeout_of_its_own_stays_a_timeout_error(executor: SyncExecutor) -> None:
    """Given a coroutine that raises TimeoutError by itself, then that isn't taken for the limit."""

    async def slow() -> None:
        await asyncio.wait_for(asyncio.sleep(10), 0.01)

    with pytest.raises(TimeoutError):
        call(executor, slow, timeout=5.0)


def test_no_alarm_is_left_behind(executor: SyncExecutor) -> None:
    """Given a job that ends in time, or fails, then no alarm rings in the next one."""
    call(executor, lambda: None, timeout=0.05)
    with pytest.raises(ZeroDivisionError):
        call(executor, lambda: 1 // 0, timeout=0.05)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    call(executor, time.sleep, 0.1)


def test_the_limit_holds_after_a_job_that_set_its_own_alarm(executor: SyncExecutor) -> None:
    """Given a job that installs a SIGALRM handler, then the next job's limit still holds."""
    call(executor, signal.signal, signal.SIGALRM, signal.SIG_IGN)
    with pytest.raises(JobTimeout):
        call(executor, time.sleep, 10, timeout=0.05)


def test_an_alarm_that_a_job_has_left_harms_no_other(executor: SyncExecutor) -> None:
    """Given a job without a limit that leaves an alarm behind, then it rings without effect."""
    call(executor, signal.setitimer, signal.ITIMER_REAL, 0.02)
    began = time.monotonic()
    call(executor, time.sleep, 0.1)
    assert time.monotonic() - began >= 0.1


def _leave_an_alarm(handler: Any) -> None:
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)


def _fail(number: int, frame: object) -> None:
    raise RuntimeError("the alarm of another job")


@pytest.mark.parametrize("handler", [signal.SIG_DFL, _fail])
def test_an_alarm_with_a_handler_of_the_job_harms_no_other(executor: SyncExecutor, handler: Any) -> None:
    """Given a job that leaves an alarm and a handler behind, one that raises or ends the process, then the next job isn't affected."""
    call(executor, _leave_an_alarm, handler)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    call(executor, time.sleep, 0.1)
    with pytest.raises(JobTimeout):
        call(executor, time.sleep, 10, timeout=0.05)


def test_async_jobs_share_one_loop(executor: SyncExecutor) -> None:
    """Given several coroutines, then they run on the same event loop, where a connection pool of the application can live."""

    async def loop() -> Any:
        return asyncio.get_running_loop()

    first = call(executor, loop)
    assert call(executor, loop, timeout=1.0) is first
    executor.close()
    assert first.is_closed()


def test_a_job_can_not_close_the_loop(executor: SyncExecutor) -> None:
    """Given a job that closes the event loop, which a lifespan may need, then the next one has the same."""

    async def loop() -> Any:
        return asyncio.get_running_loop()

    first = call(executor, loop)
    first.close()
    assert call(executor, loop) is first


def test_sync_jobs_may_run_a_loop_of_their_own(executor: SyncExecutor) -> None:
    """Given a sync job that calls asyncio.run, then it works, before and after async jobs."""
    for _ in range(2):
        assert call(executor, lambda: asyncio.run(_double(1)), timeout=1.0) == 2
        assert call(executor, _double, 2) == 4


def test_a_task_that_a_job_leaves_goes_on_with_the_next(executor: SyncExecutor) -> None:
    """Given a coroutine that leaves a task behind, then the loop keeps it, and the next async job lets it run."""
    done = threading.Event()

    async def leave() -> None:
        async def background() -> None:
            await asyncio.sleep(0)
            done.set()

        tasks.add(asyncio.create_task(background()))

    tasks: set[Any] = set()
    call(executor, leave)
    call(executor, asyncio.sleep, 0.01)
    assert done.is_set()


@pytest.mark.parametrize("how", ["returns", "raises"])
def test_a_process_that_a_job_forks_never_comes_back(executor: SyncExecutor, how: str) -> None:
    """Given a job that forks, then the forked process ends where the job does: it settles nothing."""

    def job() -> int:
        pid = os.fork()
        if pid == 0 and how == "raises":
            raise ValueError("in the forked process")
        return pid

    pid = call(executor, job)
    assert os.waitpid(pid, 0) == (pid, 0)


def test_no_lock_stays_locked(executor: SyncExecutor) -> None:
    """Given hundreds of calls that are interrupted while they use a queue and log, then the locks are free each time."""
    items: queue.Queue[int] = queue.Queue()
    handler = logging.StreamHandler(io.StringIO())
    assert handler.lock is not None
    record = logging.LogRecord("x", logging.INFO, "x", 1, "x", (), None)

    def use() -> None:
        while True:
            items.put(1)
            items.get()
            handler.handle(record)
            sum(range(500))

    with ThreadPoolExecutor(1) as other:  # the lock of a handler is reentrant
        for number in range(300):
            with pytest.raises(JobTimeout):
                call(executor, use, timeout=0.001 + number % 10 * 0.0001)
            for lock in (items.mutex, handler.lock):
                assert other.submit(lock.acquire, timeout=30).result()
                other.submit(lock.release).result()


def test_an_import_is_interrupted_late(executor: SyncExecutor, slow_module: str) -> None:
    """Given a call over its limit in an import that doesn't end, then it is interrupted in the end, and the process must be replaced."""
    replaced: list[bool] = []
    executor._on_import = lambda: replaced.append(True)
    began = time.monotonic()
    with pytest.raises(JobTimeout):
        call(executor, importlib.import_module, slow_module, timeout=0.05)
    assert time.monotonic() - began >= PATIENCE
    assert replaced == [True]
    assert slow_module not in sys.modules


def test_an_import_that_ends_soon_is_completed(executor: SyncExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a call that is at its limit in an import that ends soon, then the module is complete, and the call is interrupted after it."""
    (tmp_path / "soon_complete.py").write_text("import time\nend = time.monotonic() + 0.1\nwhile time.monotonic() < end: pass\nvalue = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    announced = []

    def load() -> None:
        announced.append(importlib.import_module("soon_complete").value)
        time.sleep(10)

    with pytest.raises(JobTimeout):
        call(executor, load, timeout=0.02)
    assert announced == [sys.modules.pop("soon_complete").value] == [1]


@pytest.mark.parametrize("timeout", [0.0, 1.0])
def test_a_cancel_waits_until_a_lock_is_released(executor: SyncExecutor, usr2: None, timeout: float) -> None:
    """Given a call that is cancelled while it takes a lock, then it is interrupted after that; the limit of the call stays in force."""
    lock, announced = threading.Lock(), []
    condition = threading.Condition(lock)

    def work() -> None:
        try:
            with condition:
                announced.append("has it")
            time.sleep(10)
        except JobCancelled:
            announced.append("cancelled")
        if timeout:
            time.sleep(10)

    signal.signal(signal.SIGUSR2, lambda number, frame: executor.cancel(frame))
    lock.acquire()
    when(main_thread_takes_a_lock, lambda: os.kill(os.getpid(), signal.SIGUSR2))
    when(lambda: isinstance(signal.getsignal(signal.SIGALRM), _Waiting), lock.release)
    with pytest.raises(JobTimeout) if timeout else nullcontext():
        call(executor, work, timeout=timeout)
    assert announced == ["has it", "cancelled"]
    assert lock.acquire(timeout=30)


def test_an_exception_waits_also_if_the_process_stands_still(executor: SyncExecutor, usr2: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a machine that stops the process for some milliseconds in the handler of a cancel, then the call is interrupted anyway."""

    def slow_clock() -> float:
        until = time.monotonic() + 0.01
        while time.monotonic() < until:
            pass
        return until

    lock = threading.Lock()
    condition = threading.Condition(lock)

    def work() -> None:
        with condition:
            pass
        time.sleep(2)

    monkeypatch.setattr("taskq.worker.execute.executor.monotonic", slow_clock)
    signal.signal(signal.SIGUSR2, lambda number, frame: executor.cancel(frame))
    lock.acquire()
    when(main_thread_takes_a_lock, lambda: os.kill(os.getpid(), signal.SIGUSR2))
    when(lambda: isinstance(signal.getsignal(signal.SIGALRM), _Waiting), lock.release)
    with pytest.raises(JobCancelled):
        call(executor, work)


def test_an_exception_that_waits_never_hits_the_next_call(executor: SyncExecutor) -> None:
    """Given a call that returns while its exception still waits, then nothing is raised in the next call."""
    condition = threading.Condition()
    # It ends in a function of `threading`, where nothing is raised.
    assert call(executor, condition.wait_for, lambda: time.sleep(0.05) or True, timeout=0.02)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    call(executor, time.sleep, 0.1)


_PACKS = """
from redis.connection import Connection
from taskq.errors import JobTimeout
from taskq.worker.execute.executor import SyncExecutor

pack, executor = Connection().pack_command, SyncExecutor()

def use_redis():
    while True:
        pack("ZADD", "key", 1.5, "member", 12345, 3, 4, 5)
        sum(range(100))

for number in range(300):
    try:
        executor.execute(use_redis, (), {}, 0.0005 + number % 10 * 0.00005)
    except JobTimeout:
        pass
print("alive")
"""


def test_a_job_is_not_interrupted_while_redis_py_packs_a_command() -> None:
    """Given a job that sends numbers through redis-py, if it reaches its limit hundreds of times, then the process survives.

    Python runs signal handlers while it formats a number, and hiredis doesn't expect one to raise.
    """
    command = [sys.executable, "-X", "faulthandler", "-c", _PACKS]
    run = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (0, "alive\n"), run.stderr
