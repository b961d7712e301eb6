"""The end of a worker process: exit hooks of the app, and threads that jobs have left."""

from __future__ import annotations

import os
import signal
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


@pytest.mark.one_python
def test_every_normal_exit_calls_the_shutdown_hooks(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given processes that end by max_messages, max_memory, SIGTERM alone, SIGHUP and Ctrl-C, then child_stop and atexit run in each."""
    exiting.send.push_many([(5,)] * 100)
    exiting.grow.push()
    exiting.send.push_many([(6,)] * 80)  # the memory is read after every 64 jobs
    worker = start_worker("exiting", settings={"max_messages": 100, "max_memory": "150MiB"}, env={"TEST_STOP": "1"})
    ledger.wait_for("flush", 2)
    os.kill(ledger.wait_for("child_start", 3)[2].pid, signal.SIGTERM)
    ledger.wait_for("child_start", 4)
    worker.signal(signal.SIGHUP)
    ledger.wait_for("child_start", 5)
    ledger.wait_for("flush", 4)
    worker.signal(signal.SIGINT)
    assert worker.wait(30) == 0
    flushed = ledger.lines("flush")
    assert [line.value[:1] for line in flushed][:2] == [[5], ["grown"]]
    started = {line.pid for line in ledger.lines("child_start")}  # those that SIGTERM met earlier have no child_start either
    assert {line.pid for line in ledger.lines("child_stop")} == started <= {line.pid for line in flushed}
    assert "(max_messages)" in worker.log
    assert "(max_memory)" in worker.log


@pytest.mark.one_python
def test_a_shutdown_hook_that_hangs_ends_at_stop_timeout(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a listener of child_stop, and an atexit function, that hang, then their processes are killed at stop_timeout and replaced."""
    for number in (8, 9, 10):
        exiting.send.push(number)
    worker = start_worker("exiting", "--burst", settings={"max_messages": 1, "stop_timeout": 1}, env={"TEST_STOP": "1"}, ready=0)
    assert worker.wait(60) == 0
    assert ledger.values("child_stop")[:3] == [[8], [9], [10]]  # another process may have been started without a job
    assert (ledger.values("flush")[:2], ledger.values("hangs")) == ([[9], [10]], [[9]])
    assert "crashed" not in worker.log
    assert worker.log.count("at stop_timeout: a shutdown hook, an atexit function or a thread had not ended") == 2
