"""Burst mode: run the jobs in the queue, then exit."""

from __future__ import annotations

import re

import pytest

from taskq.channel import State
from tests.e2e.apps import basic, hostile, outcomes, shops, slow
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store


def test_an_empty_burst_ends_at_once(start_worker: StartWorker) -> None:
    """Given an empty queue, then a burst ends with 0 and logs the reason."""
    worker = start_worker("basic", "--burst", ready=0)
    assert worker.wait() == 0
    assert "stopping: the queue is empty" in worker.log


def test_a_burst_waits_for_running_jobs(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that takes longer than everything else, then the burst ends after it, and what it pushes is run too."""
    slow.nap.push(0.4)
    slow.quick.push_many([(1,), (2,)])
    assert run_burst(start_worker, "slow", "--processes", "2") == 0
    assert len(ledger.lines("end")) == 1
    assert len(ledger.lines("quick")) == 2


def test_a_failed_job_makes_the_exit_code_1(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given one job that fails permanently among others that don't, then all are run, and the exit code is 1."""
    outcomes.fail.push(succeed_at=1)
    outcomes.fail.options(max_attempts=1).push()
    outcomes.fail.push(succeed_at=1)
    assert run_burst(start_worker, "outcomes") == 1
    assert ledger.values("fail") == [1, 1, 1]


def test_an_old_failure_does_not_count(start_worker: StartWorker, store: Store) -> None:
    """Given a message that was in failed before, then a burst in which nothing fails ends with 0."""
    outcomes.fail.options(max_attempts=1).push()
    assert run_burst(start_worker, "outcomes") == 1
    outcomes.fail.push(succeed_at=1)
    assert run_burst(start_worker, "outcomes") == 0
    assert store.count(State.FAILED) == 1


def test_delayed_messages_are_left_and_logged(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a message that is due now and one that is due in an hour, then the first runs, and the other is left and logged."""
    basic.add.options(at=1.0).push(1)
    basic.add.push(2, delay=3600)
    worker = start_worker("basic", "--burst", ready=0)
    assert worker.wait() == 0
    assert ledger.values("add") == [3]
    assert store.count(State.DELAYED) == 1
    assert re.search(r"stopping: only delayed messages are left: 1 in channel default \(next due in 3[56]", worker.log)


def test_a_retry_that_is_not_due_is_left(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that fails and is due again in a minute, then the burst exits with 0: nothing has failed permanently."""
    outcomes.fail.push()
    assert run_burst(start_worker, "outcomes", settings={"retry_seconds": 60}) == 0
    assert ledger.values("fail") == [1]
    assert store.count(State.DELAYED) == 1


def test_a_burst_consumes_every_channel(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given many messages in two channels, then the burst ends after the last of either."""
    shops.bulk.push_many([()] * 50)
    shops.work.push_many([("plain",)] * 50)
    assert run_burst(start_worker, "shops") == 0
    assert (len(ledger.lines("bulk")), len(ledger.lines("plain"))) == (50, 50)


@pytest.mark.parametrize("count", [1, 7])
def test_max_messages_in_a_burst(start_worker: StartWorker, ledger: Ledger, count: int) -> None:
    """Given --max-messages, then processes are replaced after that many jobs, and each job runs once, in order."""
    basic.add.push_many([(number, 0) for number in range(15)])
    assert run_burst(start_worker, "basic", "--max-messages", str(count)) == 0
    lines = ledger.lines("add")
    assert [line.value for line in lines] == list(range(15))
    per_process = [sum(line.pid == pid for line in lines) for pid in dict.fromkeys(line.pid for line in lines)]
    assert max(per_process) <= count
    assert len(per_process) >= 15 // count


@pytest.mark.one_python
def test_a_burst_can_wait_for_delayed_messages(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given --wait-delayed, then retries and messages due within that time run; later ones are left and logged.

    Given a job whose process died, and whose message only the rescue moved to timeout, then that is logged, and the exit code is 1.
    """
    hostile.once_only.push("sigkill")
    hostile.quick.push(1, delay=1.1)
    hostile.quick.push(2, delay=3600)
    worker = start_worker("hostile", "--burst", "--wait-delayed", "20m", ready=0)
    assert worker.wait() == 1
    assert ledger.values("quick") == [1]
    assert (store.count(State.TIMEOUT), store.count(State.DELAYED)) == (1, 1)
    assert re.search(r"ERROR .*moved 1 message to timeout, because worker process \S+ was lost while it ran \(on_lost\)", worker.log)
    assert re.search(r"stopping: only delayed messages are left: 1 in channel default \(next due in 35", worker.log)
