"""Overload: millions of pushes, jobs that all fail, messages that kill their process, workers that reconnect together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import pytest

from taskq.channel import State
from tests.conftest import OwnServer
from tests.e2e.apps import failing, faulty, hostile, messy
from tests.e2e.conftest import StartWorker
from tests.faults.checks import reported, runs, takes_new_jobs
from tests.support.ledger import Ledger
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until

MIB = 1 << 20


@pytest.fixture
def own(own_server: OwnServer) -> ServerProcess:
    return own_server()


def _is_empty(store: Store) -> bool:
    return not store.client.llen(store.keys.waiting) + store.client.zcard(store.keys.delayed) + len(store.reserved())


def test_a_job_that_pushes_half_a_million(start_worker: StartWorker, own: ServerProcess, ledger: Ledger) -> None:
    """Given a job that pushes half a million messages, then all are there, and the memory of its process hardly grew."""
    worker = start_worker("messy", "--channel", "default")
    messy.push_many.push(500_000, 20_000)
    before, after = (line.value for line in ledger.wait_for("memory", 2, timeout=60))
    assert after - before < 60 * MIB
    assert Store(own, "bulk").client.llen(Store(own, "bulk").keys.waiting) == 500_000
    messy.state.push()
    ledger.wait_for("state")
    assert worker.stop() == 0
    own.admin.flushall()


def test_a_storm_of_failures_fills_no_server(start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store) -> None:
    """Given 2,500 jobs that all fail, twice, then failed keeps as many as it may, the server's memory is flat, and good jobs go on."""
    settings = {"failed_limit": 200, "max_attempts": 2, "retry_seconds": 0.01}
    worker = start_worker("failing", "--processes", "2", "--log-level", "error", settings=settings, ready=2)
    used: list[int] = []

    for _ in range(5):
        failing.always.push_many([()] * 500)
        wait_until(lambda: _is_empty(store), timeout=60)
        used.append(int(own.admin.info("memory")["used_memory"]))
    assert store.count(State.FAILED) == 200
    assert used[-1] < used[0] + MIB
    failing.good.push()
    ledger.wait_for("good")
    assert worker.stop() == 0
    own.admin.flushall()


def test_messages_that_kill_end_and_the_others_run(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given five messages that kill their process among 3,000 good ones, then each of those runs once, and the five land in failed."""
    worker = start_worker("hostile", "--processes", "2", settings={"max_crashes": 1}, ready=2)
    for part in range(5):
        hostile.quick.push_many([(number,) for number in range(600 * part, 600 * part + 600)])
        hostile.die.push("segfault")
    ledger.wait_for("quick", 3_000, timeout=90)
    wait_until(lambda: store.count(State.FAILED) == 5, timeout=60)
    assert worker.stop() == 0
    assert sorted(ledger.values("quick")) == list(range(3_000))
    assert len(ledger.lines("die")) == 10
    assert {message.crashes for message in store.messages(State.FAILED)} == {2}


class TestComingBackTogether:
    """Many workers behind a relay that can refuse them all."""

    @pytest.fixture
    def relay(self, own: ServerProcess) -> Iterator[Relay]:
        with Relay(own.socket) as made:
            yield made

    @pytest.fixture
    def url(self, relay: Relay) -> str:
        return relay.url

    def test_many_workers_come_back_spread(self, start_worker: StartWorker, relay: Relay, ledger: Ledger, store: Store) -> None:
        """Given 24 processes whose server refuses them for a while, then they knock ever more seldom, and come back one by one."""
        count = 24
        worker = start_worker("faulty", "--processes", str(count), settings={"lease": 10}, ready=count)
        relay.refusing = True
        relay.cut()
        time.sleep(1)
        early = relay.connections
        time.sleep(3)  # the outage itself
        late = relay.connections - early
        relay.refusing = False
        assert late / 3 < early
        assert late / 3 < 10 * count, f"{late} connections in three seconds"
        faulty.nap.push_many([(0.05, str(number)) for number in range(200)])
        lines = ledger.wait_for("napped", 200, timeout=15)
        takes_new_jobs(ledger)
        wait_until(lambda: len(store.workers()) == count)
        assert worker.stop() == 0
        assert set(runs(ledger).values()) == {1}
        assert max(reported(worker)) <= 1
        firsts = sorted(min(line.at for line in lines if line.pid == pid) for pid in {line.pid for line in lines})
        assert firsts[-1] - firsts[0] > 0.05
        assert median(firsts) < firsts[0] + 6
