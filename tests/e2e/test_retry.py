"""Whether and when a failed job is retried."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from taskq import Handle
from taskq.channel import State
from tests.e2e.apps import outcomes
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

FAST = {"retry_seconds": 0.02}


def run_until_failed(start_worker: StartWorker, store: Store, settings: dict[str, Any], count: int = 1) -> None:
    """Work until so many messages have failed permanently, and stop."""
    worker = start_worker("outcomes", settings=settings)
    wait_until(lambda: store.count(State.FAILED) == count, what=f"{count} failed; the log:\n{worker.log}")
    assert worker.stop() == 0


def test_a_failed_job_runs_again_after_retry_seconds(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that fails twice, then it runs a third time, each after the channel's interval, and nothing is left."""
    outcomes.fail.push(succeed_at=3)
    worker = start_worker("outcomes", settings={"retry_seconds": 0.1})
    lines = ledger.wait_for("fail", 3)
    assert worker.stop() == 0
    assert [line.value for line in lines] == [1, 2, 3]
    assert all(0.1 < after.at - before.at < 1 for before, after in pairwise(lines))
    assert [store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)] == [0, 0, 0]
    assert not ledger.lines("on_fail")


def gaps(ledger: Ledger, what: str) -> list[float]:
    """Return the seconds between the runs of a job."""
    return [after.at - before.at for before, after in pairwise(ledger.lines(what))]


def test_a_list_gives_each_interval_and_repeats_its_last(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a list of three intervals and five attempts, then the last interval is used twice."""
    outcomes.listed.push()
    run_until_failed(start_worker, store, {})
    for gap, wanted in zip(gaps(ledger, "listed"), [0.05, 0.2, 0.1, 0.1], strict=True):
        assert wanted < gap < wanted + 0.5


def test_a_channel_may_give_a_list(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a list in the channel's settings, then a job without intervals of its own follows it."""
    outcomes.fail.push()
    run_until_failed(start_worker, store, {"retry_seconds": [0.02, 0.5]})
    first, second = gaps(ledger, "fail")
    assert first < 0.45 < second < 1.5


def test_backoff_doubles(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a backoff without jitter, then each wait is twice the one before."""
    outcomes.doubling.push()
    run_until_failed(start_worker, store, {})
    for gap, wanted in zip(gaps(ledger, "doubling"), [0.05, 0.1, 0.2], strict=True):
        assert wanted < gap < wanted + 0.5


def test_one_push_has_its_own_attempts_and_intervals(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given options of one push, then they win over the job's and the channel's."""
    outcomes.listed.options(max_attempts=2, retry_seconds=0.01).push()
    run_until_failed(start_worker, store, {"max_attempts": 9, "retry_seconds": 60})
    (gap,) = gaps(ledger, "listed")
    assert 0.01 < gap < 1


def test_attempts_of_the_channel_count_for_jobs_without_their_own(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given max_attempts = 2 in the settings, then a job runs twice."""
    outcomes.fail.push()
    outcomes.afail.push()
    run_until_failed(start_worker, store, {**FAST, "max_attempts": 2}, count=2)
    assert ledger.values("fail") == [1, 2]
    assert ledger.values("afail") == [1, 2]


@pytest.mark.parametrize(
    ("push", "job", "runs"),
    [
        (lambda: outcomes.choosy.push("passing"), "choosy", 3),
        (lambda: outcomes.choosy.push("final"), "choosy", 1),
        (lambda: outcomes.proud.push("passing"), "proud", 3),
        (lambda: outcomes.proud.push("final"), "proud", 1),
    ],
    ids=["retry_on", "not retry_on", "not give_up_on", "give_up_on"],
)
def test_exceptions_decide(
    start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[[], Handle], job: str, runs: int
) -> None:
    """Given retry_on or give_up_on, then the exception's class decides whether there is another run; on_fail comes once."""
    handle = push()
    run_until_failed(start_worker, store, FAST)
    assert len(ledger.lines(job)) == runs
    ((identity, _, _),) = ledger.values("on_fail")
    assert identity == handle.id


def test_the_history_reports_each_attempt(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that failed permanently, then each attempt's time, worker, exception and traceback are kept, oldest first."""
    began = time.time() * 1000
    outcomes.fail.push("no such file")
    run_until_failed(start_worker, store, FAST)
    history = store.history(State.FAILED)
    assert [record.kind for record in history] == ["failed"] * 3
    assert [record.attempt for record in history] == [1, 2, 3]
    assert {record.error for record in history} == {"ValueError: no such file"}
    assert all("raise ValueError(text)" in record.traceback and "tests/e2e/apps/outcomes.py" in record.traceback for record in history)
    times = [record.at_ms for record in history]
    assert sorted(times) == times
    assert began - 5 <= times[0] <= times[-1] <= time.time() * 1000 + 5
    assert len({record.worker for record in history}) == 1
    (message,) = store.messages(State.FAILED)
    assert (message.attempts, message.crashes) == (3, 0)
