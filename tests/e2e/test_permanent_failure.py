"""Permanent failures: on_fail, the failed message, and its return to waiting."""

from __future__ import annotations

import time

from taskq.channel import State
from taskq.inspector import Inspector
from tests.e2e.apps import outcomes
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

FAST = {"retry_seconds": 0.02}


def test_on_fail_comes_once_with_the_last_error(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that fails permanently, then its on_fail is called once, after the last run, inside the job's context."""
    handle = outcomes.fail.push("no")
    worker = start_worker("outcomes", settings=FAST)
    ledger.wait_for("on_fail")
    assert worker.stop() == 0
    assert [line.what for line in ledger.lines()] == ["fail", "fail", "fail", "on_fail"]
    assert ledger.values("on_fail") == [[handle.id, "ValueError", "no"]]


def test_the_fail_method_of_an_object_is_called(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given an object whose handle() raises, then its fail() gets the exception, once."""
    outcomes.queue.push(outcomes.Delivery("Ys"))
    worker = start_worker("outcomes", settings=FAST)
    ledger.wait_for("delivery failed")
    assert worker.stop() == 0
    assert ledger.values("deliver") == [1, 2]
    assert ledger.values("delivery failed") == [["Ys", "no road to Ys"]]


def test_an_on_fail_that_raises_is_logged(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given an on_fail that raises, then that is logged, the message stays in failed, and the worker continues."""
    outcomes.broken_twice.push()
    outcomes.fail.push(succeed_at=1)
    worker = start_worker("outcomes", "--burst", ready=0)
    assert worker.wait() == 1
    assert "on_fail of tests.e2e.apps.outcomes:broken_twice" in worker.log
    assert "RuntimeError: on_fail is broken too" in worker.log
    assert [line.what for line in ledger.lines()] == ["bad on_fail", "fail"]
    assert store.count(State.FAILED) == 1


def test_the_last_failure_is_logged_with_its_traceback(start_worker: StartWorker) -> None:
    """Given a job that fails twice, then the first failure is one warning, and the last an error with the traceback from the job's line."""
    handle = outcomes.fail.options(max_attempts=2).push("no")
    worker = start_worker("outcomes", settings=FAST)
    name = "tests.e2e.apps.outcomes:fail"
    worker.wait_for_log(rf"WARNING .*{name} {handle.id} failed in attempt 1 of 2; retries in 0.02 s: ValueError: no\n2")
    trace = r"Traceback.*\n.*outcomes\.py\", line \d+, in fail"
    worker.wait_for_log(rf"ERROR .*{name} {handle.id} failed in attempt 2 of 2: ValueError: no\n{trace}")


def test_failed_keeps_only_so_many(start_worker: StartWorker, store: Store) -> None:
    """Given room for three failed messages, then of five the oldest two are forgotten."""
    handles = [outcomes.fail.options(max_attempts=1).push(str(number)) for number in range(5)]
    assert run_burst(start_worker, "outcomes", settings={"failed_limit": 3}) == 1
    assert [message.hex_id for message in store.messages(State.FAILED)] == [handle.id for handle in handles[2:]]


def test_failed_keeps_them_only_so_long(start_worker: StartWorker, store: Store) -> None:
    """Given a failed message older than failed_ttl, if another one fails, then the old one is forgotten."""
    settings = {"failed_ttl": 0.2, "max_attempts": 1}
    outcomes.fail.push("old")
    worker = start_worker("outcomes", settings=settings)
    wait_until(lambda: store.count(State.FAILED) == 1)
    time.sleep(0.2)  # it has to grow old
    newer = outcomes.fail.push("new")
    wait_until(lambda: [message.hex_id for message in store.messages(State.FAILED)] == [newer.id])
    assert worker.stop() == 0


def test_a_reload_starts_the_attempts_anew(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a failed message that is reloaded, then it has all its attempts again, keeps its history, and may fail again."""
    outcomes.fail.options(max_attempts=2).push("no")
    worker = start_worker("outcomes", settings=FAST)
    wait_until(lambda: store.count(State.FAILED) == 1)
    inspector = Inspector(outcomes.queue)
    assert inspector.reload("default", State.FAILED) == 1
    inspector.close()
    ledger.wait_for("on_fail", 2)
    assert worker.stop() == 0
    assert ledger.values("fail") == [1, 2, 1, 2]
    assert len(store.history(State.FAILED)) == 4


def test_a_reloaded_message_may_succeed(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a failed message that is reloaded to a worker that has more attempts for it, then it runs to its end."""
    outcomes.fail.push("no", succeed_at=2)
    assert run_burst(start_worker, "outcomes", settings={"max_attempts": 1}) == 1
    inspector = Inspector(outcomes.queue)
    assert inspector.reload("default", State.FAILED) == 1
    inspector.close()
    worker = start_worker("outcomes", settings=FAST)
    ledger.wait_for("fail", 3)
    assert worker.stop() == 0
    assert ledger.values("fail") == [1, 1, 2]
    assert store.count(State.FAILED) == 0
