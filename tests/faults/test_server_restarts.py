"""The server restarts: with its data, without it, slow to load, or as a replica."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from taskq import ServerUnavailable
from taskq.channel import State
from tests.conftest import OwnServer
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import reported, runs, stop_after_one_log_line, takes_new_jobs
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store

OUTAGE = 1.5


def test_a_restart_with_its_data_loses_nothing(
    start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given a running job and others waiting, if the server is killed and started again, then each runs once, and the log says it once."""
    worker = start_worker("faulty", "--processes", "2", settings={"lease": 5}, ready=2)
    faulty.hold.push(str(tmp_path / "go"))
    faulty.hold.push(str(tmp_path / "go"), "other")
    ledger.wait_for("run", 2)
    faulty.quick.push_many([(str(number),) for number in range(100)])
    own.kill()
    (tmp_path / "go").touch()
    ledger.wait_for("held", 2)
    time.sleep(OUTAGE)  # the outage itself
    own.start()
    ledger.wait_for("run", 102)
    takes_new_jobs(ledger)
    stop_after_one_log_line(worker)
    assert set(runs(ledger).values()) == {1}
    assert sum(store.count(state) for state in State if state is not State.RESERVED) == 0
    assert reported(worker).child_began == 1


def test_an_idle_worker_survives_a_restart(start_worker: StartWorker, own: ServerProcess, ledger: Ledger) -> None:
    """Given an idle worker, if the server is away for a while, then new jobs run within seconds of its return."""
    worker = start_worker("faulty", settings={"lease": 5})
    own.kill()
    time.sleep(OUTAGE)  # the outage itself
    own.start()
    began = time.monotonic()
    takes_new_jobs(ledger)
    assert time.monotonic() - began < 8
    stop_after_one_log_line(worker)
    assert reported(worker).child_began == 1


class TestWithoutItsData:
    """A server that keeps nothing."""

    @pytest.fixture
    def own(self, own_server: OwnServer) -> ServerProcess:
        return own_server()

    def test_running_messages_return_and_waiting_ones_are_lost(
        self, start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path
    ) -> None:
        """Given running jobs, if the server restarts without its data, then they end, one with a retry; what was waiting never runs."""
        worker = start_worker("faulty", "--processes", "2", settings={"lease": 2}, ready=2)
        faulty.hold.push(str(tmp_path / "go"), "ends")
        faulty.hold_and_fail.push(str(tmp_path / "go"), "fails once")
        ledger.wait_for("run", 2)
        faulty.quick.push_many([("lost",)] * 5)
        own.kill()
        own.start()
        worker.wait_for_log("lost its registration", count=2)
        (tmp_path / "go").touch()
        ledger.wait_for("held", 2)
        takes_new_jobs(ledger)
        assert worker.stop() == 0
        assert runs(ledger) == {"ends": 1, "fails once": 2, "new 3": 1}
        assert "restored 1 messages that the server had lost" in worker.log
        assert worker.log.count("lost its registration") == 2
        assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) == 0


class TestLoading:
    """A server that takes seconds to read its data."""

    @pytest.fixture
    def own(self, own_server: OwnServer) -> ServerProcess:
        slow = ("--key-load-delay", "200", "--loading-process-events-interval-bytes", "1024")
        return own_server(appendonly=True, extra=slow)

    def test_a_loading_server_is_waited_for(self, start_worker: StartWorker, own: ServerProcess, ledger: Ledger, tmp_path: Path) -> None:
        """Given a server that loads for seconds after a restart, then the worker waits, says so once, and goes on where it was."""
        fill = own.admin.pipeline(transaction=False)
        for number in range(15_000):
            fill.set(f"other:{number}", "x")
        fill.execute()
        worker = start_worker("faulty", settings={"lease": 5})
        faulty.hold.push(str(tmp_path / "go"))
        ledger.wait_for("run")
        own.kill()
        own.start()
        (tmp_path / "go").touch()
        ledger.wait_for("held")
        takes_new_jobs(ledger)
        own.admin.delete(*own.admin.keys("other:*"))
        stop_after_one_log_line(worker)
        assert runs(ledger)["hold"] == 1


def test_a_server_that_became_a_replica_is_waited_for(
    start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given a live server that is made a replica and then a master again, then nothing runs twice, and a push says what it met."""
    worker = start_worker("faulty", "--processes", "2", settings={"lease": 5}, ready=2)
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    own.admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    with pytest.raises(ServerUnavailable, match=r"can't serve now: .*read only"):
        faulty.quick.push("refused")
    worker.wait_for_log("read only replica", count=2)
    time.sleep(OUTAGE)  # the outage itself
    own.admin.execute_command("REPLICAOF", "NO", "ONE")
    takes_new_jobs(ledger)
    stop_after_one_log_line(worker)
    assert set(runs(ledger).values()) == {1}
    assert "refused" not in runs(ledger)
    assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) == 0
