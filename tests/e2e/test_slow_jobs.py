"""A slow job delays no other: prefetched messages are released, and finished jobs are settled."""

from __future__ import annotations

from pathlib import Path

from taskq.channel import State
from tests.e2e.apps import slow
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until


def warm_up(ledger: Ledger, count: int = 300) -> None:
    """Let the workers learn that the jobs are quick, so that they reserve many at once."""
    slow.quick.push_many([(-1,)] * count)
    ledger.wait_for("quick", count)


def push_around(slow_job: Path, before: int, behind: int) -> None:
    """Push quick jobs with one in the midst that waits for a file, all in one request."""
    calls = [slow.quick.bind(number) for number in range(before + behind)]
    calls.insert(before, slow.until.bind(str(slow_job), "slow"))
    slow.queue.send_many(calls)


def test_what_lies_behind_a_slow_job_is_run_by_others(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given two children with large batches, if one meets a job that never ends, then everything behind it runs in the other."""
    worker = start_worker("slow", "--processes", "2", settings={"stop_timeout": 0.2}, ready=2)
    warm_up(ledger)
    push_around(tmp_path / "never", 10, 90)
    ledger.wait_for("quick", 400)
    assert sorted(value for value in ledger.values("quick") if value >= 0) == list(range(100))
    assert len(ledger.lines("start")) == 1
    wait_until(lambda: len(store.reserved()) == 1)
    assert worker.stop() == 0
    assert store.count(State.WAITING) == 1


def test_a_slow_job_keeps_only_itself_reserved(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given one child, if it meets a slow job in a batch, then what was done is settled meanwhile, and what lies behind waits, in order."""
    worker = start_worker("slow")
    warm_up(ledger)
    push_around(tmp_path / "go", 10, 20)
    ledger.wait_for("start")
    wait_until(lambda: (len(store.reserved()), store.count(State.WAITING)) == (1, 20), timeout=30)
    (tmp_path / "go").touch()
    ledger.wait_for("quick", 330)
    assert worker.stop() == 0
    assert [value for value in ledger.values("quick") if value >= 0] == list(range(30))
    assert len(ledger.lines("start")) == 1


def test_slow_jobs_among_many_run_once_each(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given many quick jobs with some of 80 ms among them, then three children run each exactly once."""
    calls = [slow.nap.bind(0.08, str(number)) if number % 50 == 25 else slow.quick.bind(number) for number in range(1000)]
    slow.queue.send_many(calls)
    worker = start_worker("slow", "--processes", "3", "--burst", ready=0)
    assert worker.wait(60) == 0
    assert sorted(ledger.values("quick")) == [number for number in range(1000) if number % 50 != 25]
    assert sorted(map(int, ledger.values("end"))) == list(range(25, 1000, 50))
    assert len(ledger.lines("start")) == 20
