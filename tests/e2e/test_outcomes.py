"""Jobs that decide how their message is settled, by their return value or an exception."""

from __future__ import annotations

import pytest

from taskq.channel import State
from tests.e2e.apps import outcomes
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

FAST = {"retry_seconds": 0.02}


@pytest.mark.parametrize("outcome", ["ack", "drop"])
def test_ack_and_drop_end_the_message(start_worker: StartWorker, ledger: Ledger, store: Store, outcome: str) -> None:
    """Given a job that returns ACK or DROP, then it has run once and nothing is left of it."""
    outcomes.returns.push(outcome)
    assert run_burst(start_worker, "outcomes") == 0
    assert ledger.values("returns") == [1]
    assert sum(store.count(state) for state in State if state is not State.RESERVED) == 0


def test_retry_is_a_failed_attempt(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that always returns RETRY, then it fails for good after its last attempt, and on_fail comes once."""
    handle = outcomes.returns.push("retry")
    worker = start_worker("outcomes", settings=FAST)
    ledger.wait_for("on_fail")
    assert worker.stop() == 0
    assert ledger.values("returns") == [1, 2, 3]
    assert ledger.values("on_fail") == [[handle.id, "Retry", "the job returned Outcome.RETRY"]]
    assert store.count(State.FAILED) == 1


@pytest.mark.parametrize("wait", [0, 0.02])
def test_requeue_does_not_count(start_worker: StartWorker, ledger: Ledger, store: Store, wait: float) -> None:
    """Given a job that asks for five more runs, at once or later, then each of them is still its first attempt."""
    outcomes.requeued_until.push(6, wait)
    worker = start_worker("outcomes")
    ledger.wait_for("requeued_until", 6)
    wait_until(lambda: not store.reserved())
    assert worker.stop() == 0
    assert ledger.values("requeued_until") == [1] * 6
    assert store.count(State.WAITING) + store.count(State.DELAYED) == 0


def test_a_requeued_message_goes_behind_the_others(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a message that is requeued at once, then what waits comes before it."""
    outcomes.requeued_until.push(2)
    outcomes.fail.push(succeed_at=1)
    assert run_burst(start_worker, "outcomes") == 0
    assert [line.what for line in ledger.lines()] == ["requeued_until", "fail", "requeued_until"]


@pytest.mark.parametrize(("wait", "shortest", "longest"), [(0.7, 0.7, 2.0), (0, 0, 0.6), (None, 0.05, 0.6)])
def test_retry_with_its_own_delay(start_worker: StartWorker, ledger: Ledger, wait: float | None, shortest: float, longest: float) -> None:
    """Given Retry with a delay or without, then the next run comes after that or after retry_seconds, and it counts."""
    outcomes.retries.options(max_attempts=2).push(wait)
    worker = start_worker("outcomes", settings={"retry_seconds": 0.05})
    first, second = ledger.wait_for("retries", 2)
    assert shortest <= second.at - first.at < longest
    ledger.wait_for("on_fail")
    assert worker.stop() == 0
    assert ledger.values("retries") == [1, 2]


def test_a_wrong_delay_of_retry_is_a_failure_like_others(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given Retry with a negative delay, then that is the error as long as there is a next run, after the job's own interval."""
    outcomes.retries.push(-1)
    worker = start_worker("outcomes", settings=FAST)
    ledger.wait_for("on_fail")
    assert worker.stop() == 0
    assert ledger.values("retries") == [1, 2, 3]
    wrong, busy = "DelayError: delay must not be negative; got -1 s", "Retry: the other side is busy"
    assert [record.error for record in store.history(State.FAILED)] == [wrong, wrong, busy]


def test_a_dropped_message_disappears_without_on_fail(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given an async job that raises Drop, then its reason is logged, and it is neither failed nor run again."""
    outcomes.drops.push()
    worker = start_worker("outcomes", "--burst", ready=0)
    assert worker.wait() == 0
    assert "was dropped: too late" in worker.log
    assert ledger.values("drops") == [1]
    assert not ledger.lines("on_fail")
    assert store.count(State.FAILED) == 0
