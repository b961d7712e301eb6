"""Forks that fail in the zygote, and forks that jobs make."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.apps import forking, threaded, waiting_hook
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.wait import wait_until


def test_a_failed_fork_is_retried(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a system that fails two forks, then the worker logs that, forks later, and the job runs."""
    forking.plain.push()
    worker = start_worker("forking", "--burst", ready=0, env={"TEST_FORK_FAILS": "2"})
    assert worker.wait() == 0
    assert len(ledger.lines("plain")) == 1
    assert worker.log.count("can't fork a worker") == 2


def test_a_process_of_a_job_ends_at_sigterm(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that starts a process and terminates it, then SIGTERM ends that process, as it does outside a worker."""
    forking.terminate.push()
    assert run_burst(start_worker, "forking") == 0
    assert ledger.values("terminated") == [-signal.SIGTERM]


def test_processes_that_a_job_leaves_behind_end_with_its_worker(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job whose process dies and leaves another process behind, then that is killed, too."""
    forking.leave.push()
    worker = start_worker("forking")
    (pid, *_) = wait_until(lambda: ledger.values("left"), what="the job to run")
    wait_until(lambda: not is_alive(pid), what="the left process to end")
    worker.stop()


@pytest.mark.fork_beside_threads
def test_forks_next_to_logging_threads_do_not_hang(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given an app whose threads log all the time, if its process is replaced after each of 60 jobs, then none hangs in a lock."""
    threaded.log_and_note.push_many([(number,) for number in range(60)])
    worker = start_worker("threaded", "--processes", "2", settings={"max_messages": 1}, env={"TEST_CHATTER": "1"}, ready=0)
    ledger.wait_for("ran", 60, timeout=40)
    assert worker.stop() == 0
    assert sorted(ledger.values("ran")) == list(range(60))
    assert len({line.pid for line in ledger.lines("ran")}) == 60
    assert "was killed" not in worker.log


@pytest.mark.fork_beside_threads
def test_a_fork_hook_may_wait_for_a_thread_that_logs(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a fork hook of the app that waits until another thread has logged, then every fork succeeds: no lock of logging is held."""
    waiting_hook.where.push_many([()] * 5)
    worker = start_worker("waiting_hook", "--burst", settings={"max_messages": 1}, env={"TEST_FORK_HOOK": "1"}, ready=0)
    assert worker.wait(30) == 0
    assert len(set(ledger.values("ran"))) == 5
    assert worker.log.count("exported before the fork") >= 5
    assert "killing zygote" not in worker.log


@pytest.mark.fork_beside_threads
@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_jobs_may_use_processes_and_push_around_forks(start_worker: StartWorker, ledger: Ledger, concurrency: str) -> None:
    """Given jobs with pools of processes, one of them left open, then all work, and the worker ends at once.

    Given pushes before and after forks, in the forked processes, in a buffer and in another thread meanwhile, then each arrives once.
    """
    forking.pools.push()
    forking.apools.push()
    forking.push_around_forks.push(0)
    worker = start_worker("forking", "--burst", "--concurrency", concurrency, ready=0)
    assert worker.wait(30) == 0
    assert (ledger.values("pools"), ledger.values("apools")) == ([[2, 4, 6, 8, 10]], [8])
    ((codes, distinct, sent),) = ledger.values("forked")
    assert codes == [0] * 4
    assert distinct == sent > 0
    from_forks = [100 * child + number for child in range(1, 5) for number in range(10)]
    assert sorted(ledger.values("take")) == [0, 1, 2, *from_forks, *range(1000, 1000 + sent)]
    assert "jobs left" not in worker.log
    assert "was killed" not in worker.log
