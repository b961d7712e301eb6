"""`asyncio.get_event_loop()` in sync jobs, after jobs that change the event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.process.current_loop import keep_current

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio's policies are deprecated")


@pytest.fixture(params=["asyncio", "uvloop"])
def executor(request: pytest.FixtureRequest, libuv: None) -> Iterator[SyncExecutor]:
    """An executor as in a worker process. The policy and the signal handler are restored afterwards."""
    before, alarm = asyncio.get_event_loop_policy(), signal.getsignal(signal.SIGALRM)
    asyncio.set_event_loop_policy(None)
    executor = SyncExecutor(loop=request.param)
    keep_current(executor.event_loop)
    yield executor
    executor.close()
    asyncio.set_event_loop(None)
    asyncio.set_event_loop_policy(before)
    signal.signal(signal.SIGALRM, alarm)


async def seven() -> int:
    await asyncio.sleep(0)
    return 7


def use_current() -> int:
    return asyncio.get_event_loop().run_until_complete(seven())


def run() -> None:
    asyncio.run(seven())


def close() -> None:
    asyncio.get_event_loop().close()


def leave_closed() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.close()


async def shut_down_threads() -> None:
    await asyncio.get_running_loop().shutdown_default_executor()


@pytest.mark.parametrize("job", [run, close, leave_closed, shut_down_threads, seven])
def test_no_job_breaks_the_loop_for_the_next(executor: SyncExecutor, job: Any) -> None:
    """Given a job that uses, replaces or closes the loop, then sync and async jobs after it run as before it, on the same loop."""

    def call(function: Any) -> Any:
        return executor.execute(function, (), {}, 0.0)

    async def in_thread() -> int:
        return await asyncio.to_thread(lambda: 8)

    async def running() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loop = call(running)
    assert (call(use_current), call(seven), call(in_thread)) == (7, 7, 8)
    call(job)
    assert (call(use_current), call(seven), call(in_thread)) == (7, 7, 8)
    assert call(running) is loop is asyncio.get_event_loop()


def test_threads_have_no_loop_of_the_jobs(executor: SyncExecutor) -> None:
    """Given another thread, when a job there has left a closed loop, then the next one gets what a new thread gets: none."""
    errors: list[str] = []

    def twice() -> None:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no current event loop") as caught:
                asyncio.get_event_loop()
            errors.append(str(caught.value))
            leave_closed()

    thread = threading.Thread(target=twice)
    thread.start()
    thread.join()
    assert len(set(errors)) == 1


@pytest.mark.fork_beside_threads
def test_a_forked_process_gets_no_loop_of_the_jobs(executor: SyncExecutor) -> None:
    """Given a process that a job forks, if it asks for a loop after asyncio.run, then it doesn't get the one of this process."""
    loop = executor.event_loop()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            asyncio.set_event_loop(None)
            asyncio.get_event_loop()
        except RuntimeError:
            code = 0
        else:
            code = 1 if asyncio.get_event_loop() is loop else 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
