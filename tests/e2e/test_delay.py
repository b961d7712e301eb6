"""Delayed messages run when they are due, to the millisecond, in order."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from taskq.channel import State
from tests.e2e.apps import basic
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store


def test_a_delayed_job_starts_when_it_is_due(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given delays of fractions of a second, then no job starts early, and none is late by the length of a poll."""
    start_worker("basic")
    pushed = time.monotonic()
    basic.add.push(0, 150, delay=0.15)
    basic.add.push(0, 300, delay=timedelta(milliseconds=300))
    lines = ledger.wait_for("add", 2)
    assert [line.value for line in lines] == [150, 300]
    for line in lines:
        late = line.at - pushed - line.value / 1000
        assert -0.002 < late < 0.8


def test_an_earlier_message_wakes_the_worker(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a worker that sleeps until a far moment, if an earlier message comes, then it is on time anyway."""
    worker = start_worker("basic")
    basic.add.push(0, 9, delay=60)
    pushed = time.monotonic()
    basic.add.push(0, 1, delay=0.2)
    (line,) = ledger.wait_for("add")
    assert line.value == 1
    assert 0.198 < line.at - pushed < 1.0
    assert worker.stop() == 0


def test_due_messages_start_in_due_order(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given messages that became due while no worker was there, then they start in the order of their moments."""
    now = time.time()
    for number in (3, 1, 2, 5, 4):
        basic.add.options(at=now + number / 100).push(number, 0)
    time.sleep(0.06)  # until all are due: what is tested is their order afterwards
    assert run_burst(start_worker, "basic") == 0
    assert ledger.values("add") == [1, 2, 3, 4, 5]


def test_equal_calls_are_two_messages(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given two equal calls with one delay, then both run."""
    at = time.time() + 0.05
    first, second = (basic.add.options(at=at).push(1) for _ in range(2))
    assert first.id != second.id
    start_worker("basic")
    assert [line.value for line in ledger.wait_for("add", 2)] == [3, 3]


def test_a_delayed_message_can_be_withdrawn(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a delayed message that is deleted, then it doesn't run; what has run can't be deleted any more."""
    withdrawn = basic.add.push(1, delay=0.1)
    kept = basic.add.push(2, delay=0.15)
    assert withdrawn.delete() is True
    assert withdrawn.delete() is False
    start_worker("basic")
    ledger.wait_for("add")
    assert kept.delete() is False
    assert ledger.values("add") == [4]
    assert store.count(State.DELAYED) == 0


def test_a_waiting_message_can_be_withdrawn(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given two waiting messages of which one is deleted, then only the other runs."""
    withdrawn = basic.add.push(1)
    basic.add.push(2)
    assert withdrawn.delete() is True
    assert run_burst(start_worker, "basic") == 0
    assert ledger.values("add") == [4]


@pytest.mark.parametrize("at", [0.0, -5.0])
def test_a_moment_in_the_past_is_now(start_worker: StartWorker, ledger: Ledger, at: float) -> None:
    """Given a moment that is over, then the job runs at once."""
    basic.add.options(at=time.time() + at).push(1)
    assert run_burst(start_worker, "basic") == 0
    assert ledger.values("add") == [3]
