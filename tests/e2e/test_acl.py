"""Workers, producers and operators run with the permissions that the guide lists, and no others."""

from __future__ import annotations

import pytest

from taskq.channel import State
from taskq.config import load_settings
from taskq.inspector import Inspector
from tests.e2e.apps import hostile
from tests.e2e.conftest import StartWorker
from tests.support.acl import make_user
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until

PREFIX = "queue"


@pytest.fixture
def url(server: ServerProcess) -> str:
    """The worker's."""
    return make_user(server, "shop-worker", PREFIX)


def test_a_worker_of_the_guide_can_do_its_work(start_worker: StartWorker, server: ServerProcess, ledger: Ledger, store: Store) -> None:
    """Given users of the guide, if jobs come at once, later and again, crash, fail and are unknown, then nothing is ever refused."""
    hostile.queue.use_url(make_user(server, "shop-producer", PREFIX), "the test")
    worker = start_worker("hostile", settings={"max_crashes": 0})
    hostile.quick.push(1)
    hostile.quick.push(2, delay=0.05)
    hostile.quick.options(once=True).push(3)
    hostile.quick.push(4, delay=600).delete()
    ledger.wait_for("quick", 3)
    hostile.die.push("sigkill")
    store.client.lpush(store.keys.waiting, b'{"job": "nobody:knows"}')
    wait_until(lambda: store.count(State.FAILED) == store.count(State.PARKED) == 1, what="a crashed and a parked message")
    operator = Inspector(load_settings({"url": make_user(server, "shop-operator", PREFIX)}))
    report = operator.report("default")
    assert (report.counts.failed, report.counts.parked, len(report.workers)) == (1, 1, 1)
    assert [operator.reload("default", state) for state in (State.FAILED, State.PARKED)] == [1, 1]
    wait_until(lambda: store.count(State.FAILED) == store.count(State.PARKED) == 1, what="both again where they were")
    assert [operator.flush("default", state) for state in (State.FAILED, State.PARKED)] == [1, 1]
    operator.close()
    assert worker.stop() == 0
    assert "refuse" not in worker.log
    assert "permission" not in worker.log


def test_a_worker_that_may_not_close_connections_warns_and_works(start_worker: StartWorker, server: ServerProcess, ledger: Ledger) -> None:
    """Given a worker whose user may not close its broken connections, when it starts, then it warns once, names the remedy, and works."""
    make_user(server, "shop-worker", PREFIX, "-client|list", "-client|kill")
    hostile.queue.use_url(server.url, "the test")
    worker = start_worker("hostile")
    hostile.quick.push(1)
    ledger.wait_for("quick")
    assert worker.log.count("Grant it +client|list +client|kill") == 1


def test_a_worker_that_lacks_a_right_ends_with_its_name(start_worker: StartWorker, server: ServerProcess) -> None:
    """Given a worker whose user may not ZADD, when it starts, then it ends with code 2 and names the command, before it takes a message."""
    make_user(server, "shop-worker", PREFIX, "-zadd", "-hset")
    hostile.queue.use_url(server.url, "the test")
    hostile.quick.push(1)
    worker = start_worker("hostile", ready=0)
    assert worker.wait() == 2
    assert "lacks permissions that a worker needs: ZADD, HSET. Grant them: ACL SETUSER <user> +zadd +hset" in worker.log
    assert Store(server).count(State.WAITING) == 1
