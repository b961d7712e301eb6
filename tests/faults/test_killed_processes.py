"""Processes of a worker are stopped, killed alone or together, or frozen for longer than the lease."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from taskq.channel import State
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import runs, takes_new_jobs
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import WorkerProcess

LEASE = {"lease": 1.5}


def _rest(store: Store) -> int:
    return store.count(State.WAITING) + store.count(State.DELAYED) + len(store.reserved())


@pytest.mark.parametrize("seconds", [0, 1, 60])
def test_stopped_while_a_job_runs(start_worker: StartWorker, ledger: Ledger, store: Store, seconds: float) -> None:
    """Given jobs of 0, 1 or 60 s and stop_timeout = 5, if the worker is told to stop, then it ends in time, and all else waits on."""
    faulty.nap.push_many([(seconds, str(number)) for number in range(200 if seconds == 0 else 3)])
    worker = start_worker("faulty", settings={"stop_timeout": 5}, ready=0)
    ledger.wait_for("run")
    began = time.monotonic()
    assert worker.stop() == 0
    took = time.monotonic() - began
    ended, begun = len(ledger.lines("napped")), len(ledger.lines("run"))
    total = 200 if seconds == 0 else 3
    assert store.count(State.WAITING) == total - ended
    if seconds == 60:
        assert 4.5 < took < 20
        assert (begun, ended) == (1, 0)
        assert {(message.attempts, message.crashes) for message in store.messages(State.WAITING)} == {(0, 0)}
    else:
        assert took < 4.5
        assert begun == ended
    again = start_worker("faulty", settings={"stop_timeout": 0.1}, ready=0)
    ledger.wait_for("run", begun + 1)
    assert again.stop() == 0
    if seconds == 0:
        wait_until(lambda: max(runs(ledger).values()) == 1)


def _victims(worker: WorkerProcess, who: str) -> list[int]:
    """Return the processes of a worker to be killed, in their order."""
    children, zygote = worker.children(), worker.zygote().pid
    return {
        "child": children,
        "zygote": [zygote],
        "supervisor": [worker.pid],
        "supervisor and child": [worker.pid, *children],
        "child and supervisor": [*children, worker.pid],
        "all": [worker.pid, zygote, *children],
    }[who]


@pytest.mark.parametrize("who", ["child", "zygote", "supervisor", "supervisor and child", "child and supervisor", "all"])
def test_killed_in_the_middle_of_a_job(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path, who: str) -> None:
    """Given a running job, others behind it and another worker, if processes are killed, then that job runs again, the rest once."""
    first = start_worker("faulty", settings=LEASE)
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    faulty.quick.push_many(
        [(str(number),) for number in range(20)],
    )
    family = [process.pid for process in first.family()]
    first.was_killed = True
    other = start_worker("faulty", settings=LEASE)
    began = time.monotonic()
    for pid in _victims(first, who):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: runs(ledger)["hold"] == 2, timeout=12)
    took = time.monotonic() - began
    assert took < (1.5 if who in ("child", "zygote") else 8)
    (tmp_path / "go").touch()
    wait_until(lambda: _rest(store) == 0 and len(ledger.lines("held")) == 1)
    if who in ("child", "zygote"):
        takes_new_jobs(ledger)
        assert first.stop() == 0
    else:
        wait_until(lambda: not any(is_alive(pid) for pid in family))
        # A child whose supervisor was killed between the exit and the last check stays registered until the other one rescues it.
        wait_until(lambda: len(store.workers()) == 1)
    takes_new_jobs(ledger)
    assert other.stop() == 0
    assert {name: count for name, count in runs(ledger).items() if count > 1} == {"hold": 2}
    assert {str(number) for number in range(20)} < set(runs(ledger))
    # A worker that was given up is told so when it comes back: the note is kept for a day.
    assert all(store.client.pttl(key) > 0 for key in store.leaks())


@pytest.mark.parametrize("who", ["supervisor", "child", "both"])
def test_frozen_for_longer_than_the_lease(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path, who: str) -> None:
    """Given a running job and another worker, if processes stand still for three leases and go on, then none settles what isn't its own.

    While only the child is frozen its supervisor beats for it: the job is long, not lost, and runs once.
    """
    first = start_worker("faulty", settings=LEASE)
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    other = start_worker("faulty", settings=LEASE)
    frozen = {"supervisor": [first.pid], "child": first.children(), "both": [first.pid, *first.children()]}[who]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    faulty.quick.push_many([(str(number),) for number in range(20)])
    twice = who != "child"
    if twice:
        wait_until(lambda: runs(ledger)["hold"] == 2, timeout=15)
    else:
        time.sleep(3 * LEASE["lease"])
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    if twice:
        first.wait_for_log("had been declared lost")
    (tmp_path / "go").touch()
    ledger.wait_for("held", 1 + twice)
    wait_until(lambda: _rest(store) == 0)
    assert other.stop() == 0  # now only the late one is left
    takes_new_jobs(ledger)
    assert first.stop() == 0
    assert runs(ledger)["hold"] == 1 + twice
    assert {count for name, count in runs(ledger).items() if name != "hold"} == {1}
    assert {state: store.count(state) for state in (State.FAILED, State.TIMEOUT, State.PARKED)} == dict.fromkeys(
        (State.FAILED, State.TIMEOUT, State.PARKED), 0
    )


def test_an_idle_child_that_was_frozen_takes_nothing_with_it(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a worker that waits in a blocking reserve and is frozen whole, if messages arrive, then each runs once, in a live worker."""
    first = start_worker("faulty", settings=LEASE)
    faulty.quick.push("first")
    ledger.wait_for("run")
    wait_until(lambda: any(client["cmd"] == "blmove" and "b" in client["flags"] for client in store.client.client_list()))
    family = [psutil.Process(first.pid), *first.family()]
    for process in family:
        process.suspend()
    faulty.quick.push_many([(str(number),) for number in range(10)])
    assert len(store.reserved()) == 1  # the server has served the blocked reserve
    other = start_worker("faulty", settings=LEASE)
    ledger.wait_for("run", 11, timeout=12)
    for process in family:
        process.resume()
    first.wait_for_log("had been declared lost")
    wait_until(lambda: _rest(store) == 0)
    assert other.stop() == 0
    takes_new_jobs(ledger)
    assert first.stop() == 0
    assert set(runs(ledger).values()) == {1}


def test_signals_at_any_moment_lose_nothing(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given workers that are asked to stop at many different moments, then each job that ended is settled, and none is lost."""
    faulty.nap.push_many([(0.01, str(number)) for number in range(300)])
    for turn in range(6):
        worker = start_worker("faulty", "--processes", "2", settings={"stop_timeout": 30, "lease": 2}, ready=0)
        count = len(ledger.lines("run"))
        ledger.wait_for("run", count + 1 + 3 * turn)
        worker.signal((signal.SIGTERM, signal.SIGINT)[turn % 2])
        if turn % 3 == 2:
            worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert store.reserved() == []
        ended = len(set(ledger.values("napped")))
        assert store.count(State.WAITING) + store.count(State.DELAYED) >= 300 - ended
    assert start_worker("faulty", "--burst", ready=0).wait() == 0
    assert set(runs(ledger)) == {str(number) for number in range(300)}
    # Two signals at once don't kill a running job.
    assert sum(runs(ledger).values()) == 300


def test_a_zygote_that_stands_still_is_replaced(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given one child and a zygote that is stopped, if the child is killed, then another zygote takes over, and the job runs again."""
    worker = start_worker("faulty", settings=LEASE)
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    zygote = worker.zygote().pid
    os.kill(zygote, signal.SIGSTOP)
    os.kill(worker.children()[0], signal.SIGKILL)
    wait_until(lambda: runs(ledger)["hold"] == 2, timeout=20)
    assert not is_alive(zygote)
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    takes_new_jobs(ledger)
    assert worker.stop() == 0
    assert "no fork for 10 s" in worker.log
