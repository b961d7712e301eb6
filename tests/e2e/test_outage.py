"""A server outage longer than the lease: no worker is declared lost, and no job runs twice."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from taskq.channel import State
from tests.conftest import OwnServer
from tests.e2e.apps import hostile, shops
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until

LEASE = 1.0


@pytest.fixture
def own(own_server: OwnServer) -> ServerProcess:
    """A server that a test may kill without losing data."""
    return own_server(appendonly=True)


@pytest.fixture
def url(own: ServerProcess) -> str:
    return own.url


@pytest.fixture
def store(own: ServerProcess) -> Store:
    return Store(own)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_outage_longer_than_the_lease_runs_nothing_twice(
    start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path, concurrency: int
) -> None:
    """Given a running job and another worker, if the server is down for two leases and the other connects first, then the job runs once."""
    busy = start_worker("hostile", settings={"lease": LEASE, "concurrency": concurrency})
    hostile.hold.push(str(tmp_path / "go"))
    ledger.wait_for("hold")
    other = start_worker("hostile", settings={"lease": LEASE, "concurrency": concurrency})
    own.kill()
    time.sleep(2 * LEASE)  # the outage itself
    busy.signal(signal.SIGSTOP)
    own.start()
    other.wait_for_log("the server is reachable again")
    time.sleep(0.4 * LEASE)  # the busy one is later, and still in time
    busy.signal(signal.SIGCONT)
    busy.wait_for_log("the server is reachable again")
    time.sleep(LEASE)  # as long as it would take to give anybody up
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    hostile.quick.push_many([(number,) for number in range(20)])
    ledger.wait_for("quick", 20)
    workers = (busy, other)
    assert [worker.stop() for worker in workers] == [0, 0]
    assert len(ledger.lines("hold")) == 1
    assert sorted(ledger.values("quick")) == list(range(20))
    assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) == 0
    assert not any(" lost (" in worker.log or "declared lost" in worker.log for worker in workers)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(("outage", "who"), [(1.0, "the child"), (3.5, "the supervisor")])
def test_jobs_finished_in_an_outage_are_settled_before_the_exit(
    start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path, outage: float, who: str, concurrency: int
) -> None:
    """Given a job that ends in an outage, if the worker is asked to stop and the server returns in time, then the job ran once."""
    worker = start_worker("hostile", settings={"stop_timeout": 6, "concurrency": concurrency})
    hostile.hold.push(str(tmp_path / "go"))
    ledger.wait_for("hold")
    own.kill()
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    worker.signal(signal.SIGTERM)
    time.sleep(outage)
    own.start()
    assert worker.wait() == 0
    assert store.count(State.WAITING) + store.count(State.DELAYED) + len(store.reserved()) == 0
    assert ("unsettled messages will be rescued" in worker.log) == (who == "the supervisor")
    assert store.leaks() == []


@pytest.mark.one_python
def test_a_proxy_that_closes_silent_connections_is_named(start_worker: StartWorker, own: ServerProcess, ledger: Ledger) -> None:
    """Given such a proxy, then processes of both kinds learn to poll more often, jobs run once, and the log has one warning."""
    with Relay(own.socket) as relay:
        relay.patience = 0.4
        settings = {"lease": 3, "bulk.lease": 3, "bulk.processes": 1, "bulk.concurrency": 3}
        env = {"TASKQ_URL": relay.url}
        worker = start_worker("shops", "--channel", "default", "--channel", "bulk", settings=settings, env=env)
        for prefix in (b"{queue}", b"{bulk-prefix}"):
            wait_until(lambda key=prefix: any(one < 0.5 for one in _block_times(relay, key)), timeout=20.0)  # type: ignore[misc]
        worker.wait_for_log("closes idle connections within .* Raise its idle timeout above 10 s", timeout=20.0)
        shops.work.push("plain")
        shops.bulk.push()
        ledger.wait_for("plain")
        ledger.wait_for("bulk")
        assert worker.stop() == 0
        assert len(ledger.lines()) == 2
        assert worker.log.count("closes idle connections") == 1


def _block_times(relay: Relay, prefix: bytes) -> list[float]:
    """The seconds of all blocking reserves of a channel. The check of permissions sends one without a time."""
    found = [one.split(b"\r\n")[-2] for one in list(relay.requests) if b"\r\nBLMOVE\r\n" in one[:20] and prefix in one]
    return [float(one) for one in found if one != b"no time"]
