"""Connections are cut repeatedly, or are dead without an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from taskq import PushOutcomeUnknown
from taskq.channel import State
from tests.conftest import OwnServer
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import reported, runs, takes_new_jobs
from tests.support.ledger import Ledger
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until

#: How soon a connection that leads nowhere must be found.
FOUND = 15.0


@pytest.fixture
def own(own_server: OwnServer) -> ServerProcess:
    return own_server()


@contextmanager
def repeatedly(fault: Callable[[], object], pause: float) -> Iterator[None]:
    """Do something to the server again and again, as long as the block lasts."""
    over = threading.Event()

    def strike() -> None:
        while not over.wait(pause):
            fault()

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _push(count: int) -> None:
    for number in range(count):
        faulty.quick.options(once=True).push(str(number))


def test_connections_that_are_killed_again_and_again(
    start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given a server that kills every connection ten times a second, then all that is pushed runs once, and no log is flooded."""
    worker = start_worker("faulty", "--processes", "2", settings={"lease": 5}, ready=2)
    children = set(worker.children())
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    with repeatedly(lambda: own.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"), 0.1):
        began = time.monotonic()
        while time.monotonic() - began < 3:
            _push(20)
            faulty.quick.options(once=True, delay=0.2).push("later")
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    takes_new_jobs(ledger)
    wait_until(lambda: sum(store.count(state) for state in (State.WAITING, State.DELAYED)) + len(store.reserved()) == 0)
    assert set(worker.children()) == children
    assert worker.stop() == 0
    handled = runs(ledger)
    rounds = handled["later"]
    assert rounds > 3
    assert {name: count for name, count in handled.items() if name.isdigit()} == {str(number): rounds for number in range(20)}
    assert handled["hold"] == 1
    assert max(reported(worker)) <= 3


def test_scripts_that_are_forgotten_again_and_again(start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store) -> None:
    """Given SCRIPT FLUSH fifty times a second, then everything runs once, and the log says nothing: it is no trouble."""
    worker = start_worker("faulty", "--processes", "2", settings={"lease": 5}, ready=2)
    with repeatedly(own.admin.script_flush, 0.02):
        _push(100)
        faulty.retry_once.push("retried")
        faulty.fail.push("fails")
        faulty.quick.push("later", delay=0.3)
        ledger.wait_for("run", 104)
        wait_until(lambda: store.count(State.FAILED) == 1)
    assert worker.stop() == 0
    assert runs(ledger) == {**{str(number): 1 for number in range(100)}, "retried": 2, "fails": 1, "later": 1}
    assert max(reported(worker)) == 0


def test_everything_is_deleted_again_and_again(start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store) -> None:
    """Given FLUSHALL five times a second under load, then no process ends or spins, and what comes afterwards runs."""
    worker = start_worker("faulty", "--processes", "2", settings={"lease": 2}, ready=2)
    children = set(worker.children())
    with repeatedly(own.admin.flushall, 0.2):
        began = time.monotonic()
        while time.monotonic() - began < 2:
            faulty.quick.push_many([("flushed",)] * 50)
    takes_new_jobs(ledger)
    processes = [psutil.Process(pid) for pid in (worker.pid, *children)]
    wait_until(lambda: store.count(State.WAITING) + len(store.reserved()) == 0)
    before = sum(sum(process.cpu_times()[:2]) for process in processes)
    time.sleep(2)  # long enough to measure how much an idle worker spins
    assert sum(sum(process.cpu_times()[:2]) for process in processes) - before < 0.4
    assert set(worker.children()) == children
    takes_new_jobs(ledger)
    assert worker.stop() == 0
    lost = worker.log.count("lost its registration")
    assert 0 < lost <= 2 * 12, worker.log  # once for each child and flush
    assert len(worker.log.splitlines()) < 100
    assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) == 0


class TestHalfOpen:
    """A relay that suddenly swallows what the connections carry, their ends included; new connections work."""

    @pytest.fixture
    def relay(self, own: ServerProcess) -> Iterator[Relay]:
        with Relay(own.socket) as made:
            yield made

    @pytest.fixture
    def url(self, relay: Relay) -> str:
        return relay.url

    def test_an_idle_worker_finds_it(self, start_worker: StartWorker, relay: Relay, ledger: Ledger, store: Store) -> None:
        """Given an idle worker whose connections lead nowhere, then what the server gave to the old one runs soon, once."""
        worker = start_worker("faulty")
        # Not the one that is tried at the start.
        wait_until(lambda: any(b"BLMOVE" in request and b":waiting" in request for request in relay.requests))
        relay.hush()
        faulty.queue.close()
        began = time.monotonic()
        faulty.quick.push_many([("first",), ("second",)])
        wait_until(lambda: len(store.reserved()) == 1, what="the server to give a message to the dead connection")
        ledger.wait_for("run", 2, timeout=FOUND)
        assert time.monotonic() - began < FOUND
        takes_new_jobs(ledger)
        assert worker.stop() == 0
        assert runs(ledger) == {"first": 1, "second": 1, "new 2": 1}
        count = reported(worker)
        assert max(count) <= 1, worker.log
        assert count.began == count.over

    def test_a_busy_worker_finds_it(self, start_worker: StartWorker, relay: Relay, ledger: Ledger, tmp_path: Path) -> None:
        """Given a running job, if all connections lead nowhere, then its end is settled soon, and it ran once."""
        worker = start_worker("faulty")
        faulty.hold.push(str(tmp_path / "go"))
        ledger.wait_for("run")
        relay.hush()
        faulty.queue.close()
        (tmp_path / "go").touch()
        began = time.monotonic()
        takes_new_jobs(ledger, timeout=FOUND)
        assert time.monotonic() - began < FOUND
        assert worker.stop() == 0
        assert set(runs(ledger).values()) == {1}
        assert max(reported(worker)) <= 1, worker.log

    def test_the_supervisor_s_wake_connection_finds_it(self, start_worker: StartWorker, relay: Relay, ledger: Ledger) -> None:
        """Given a supervisor whose connections lead nowhere, then it soon listens for wake-up tokens anew, and a delayed job is on time."""
        worker = start_worker("faulty")
        wait_until(lambda: any(b"BLPOP" in request for request in relay.requests))
        before = len(relay.requests)
        relay.hush()
        faulty.queue.close()
        wait_until(lambda: any(b"BLPOP" in request for request in relay.requests[before:]), timeout=FOUND)
        wait_until(lambda: any(b"BLMOVE" in request for request in relay.requests[before:]), timeout=FOUND)
        faulty.quick.push("later", delay=0.3)
        pushed = time.monotonic()
        (line,) = ledger.wait_for("run")
        assert 0.25 < line.at - pushed < 0.8
        assert worker.stop() == 0

    def test_a_push_finds_it(self, start_worker: StartWorker, relay: Relay, ledger: Ledger) -> None:
        """Given an application whose connection leads nowhere, then its push soon says that it doesn't know, and the next works."""
        faulty.quick.push("first")
        relay.hush()
        began = time.monotonic()
        with pytest.raises(PushOutcomeUnknown):
            faulty.quick.push("swallowed")
        assert time.monotonic() - began < 15
        faulty.quick.push("second")
        relay.hush()
        faulty.quick.options(once=True).push("repeated")
        worker = start_worker("faulty")
        ledger.wait_for("run", 3)
        assert worker.stop() == 0
        assert runs(ledger) == {"first": 1, "second": 1, "repeated": 1}
