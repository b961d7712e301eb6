"""The end of a worker process: exit hooks of the app, and threads that jobs have left."""

from __future__ import annotations

import sys
import time

import pytest

from tests.e2e.apps import exiting
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_exit_hooks_run_where_the_jobs_are_and_a_left_thread_delays_them_briefly(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given an app with an exit hook, then it runs once at the end of each worker process and of the listener process.

    A process whose job has left a thread names it, and exits after three seconds. What belongs to the zygote stays:
    finalizers of its objects, and processes that the import has started. A connection that the import has opened is named in the log.
    """
    for job, *args in ((exiting.send, 1), (exiting.send, 2), (exiting.leave,), (exiting.send, 3), (exiting.look,)):
        job.push(*args)
    began = time.monotonic()
    worker = start_worker("exiting", "--burst", settings={"max_messages": 2}, env={"TEST_EXIT": "1"}, ready=0)
    assert worker.wait(30) == 0
    assert time.monotonic() - began < 30
    assert sorted(ledger.values("flush")) == [[], [0], [1, 2], [3]]
    assert [line.pid for line in ledger.lines("hook of a job")] == [ledger.lines("sent")[0].pid]
    (left,) = ledger.lines("left")
    (flushed,) = (line for line in ledger.lines("flush") if line.pid == left.pid)
    assert 3.0 <= flushed.at - left.at < 20
    assert "jobs left 1 thread running in this process (left); it exits in 3 s at the latest" in worker.log
    assert (ledger.values("finalized"), ledger.values("state")) == ([], ["S"])
    assert "was killed" not in worker.log
    assert "importing the app opened 1 connection (127.0.0.1:" in worker.log
