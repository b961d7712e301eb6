"""The mode worker: real processes and a real server, which end with the test."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import taskq
from taskq import Queue, TaskqError, testing
from tests.support.processes import is_alive
from tests.support.wait import wait_until

pytestmark = pytest.mark.one_python

SCRIPT = """
import os, pathlib, sys, taskq.testing
from taskq import Queue
queue = Queue()
job = queue.job(name="job", result_ttl=60)(os.getpid)
with taskq.testing.record(queue, mode="worker") as t:
    pid = job.push().result(timeout=60)
    print(pid, pathlib.Path(queue.url().removeprefix("unix://")).parent, flush=True)
    sys.stdin.read()
"""


class RetryError(Exception):
    """A failure, although its name begins like that of a deliberate retry."""


def test_a_forked_worker_runs_the_jobs() -> None:
    queue = Queue(channels={"mail": {}}, wait_replicas=3)
    before = queue.outbox

    @queue.job(name="job", result_ttl=60, retry_seconds=60)
    def job(what: str) -> int:
        if what == "bad":
            raise RetryError("no")
        if what == "retry" and taskq.current().attempt == 1:
            raise taskq.Retry(delay=0.01)
        if what == "more":
            job.options(channel="mail").push("last")
        return os.getpid()

    async def push() -> int:
        return await (await job.apush("async")).aresult(timeout=60)

    with testing.record(queue, mode="worker") as t:
        assert t.run_all() == 0
        pid = job.push("first").result(timeout=60)
        assert asyncio.run(push()) == pid != os.getpid()
        job.push_many([("more",), ("retry",)])
        assert t.run_all(delayed=True) == 6
        t.assert_pushed(job, "async")
        job.options(delay=3600).push("late")
        assert [push.args for push in t.pending] == [("late",)]
        job.push("bad")
        with pytest.raises(taskq.JobFailed, match="RetryError: no") as found:
            t.run_all()
        assert 'raise RetryError("no")' in found.value.traceback
        for call in (t.run_one, lambda: t.travel(1)):
            with pytest.raises(TaskqError, match="needs the mode manual or inline"):
                call()
        t.clear()
        assert (t.pushed, t.pending) == ([], [])
        folder = Path(queue.url().removeprefix("unix://")).parent
        assert folder.exists()
    assert queue.outbox is before
    assert not folder.exists()
    assert not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_after_ctrl_c_or_a_kill(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        process.send_signal(number)
        assert process.wait(60) == -number
    wait_until(lambda: not is_alive(int(pid)) and not Path(folder.decode()).exists(), timeout=60, what="the end of the worker")
    wait_until(lambda: [*tmp_path.iterdir()] == [], timeout=60, what="an empty folder")
