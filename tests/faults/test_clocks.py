"""Machines whose clocks are an hour off: only the server's clock counts. And a server whose clock is set forward and back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from taskq.channel import State
from tests.conftest import OwnServer
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import runs, takes_new_jobs
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import ROOT

HOUR = 3600
#: Python runs this before anything else: no process of the worker knows another clock.
SITE = """
import time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {off}
time.time_ns = lambda: _time_ns() + {off} * 10**9
"""


def _clock(folder: Path, off: int) -> dict[str, str]:
    """Return the environment of a process whose clock is off."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(off=off))
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


@pytest.mark.parametrize("producer", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_wrong_clocks_change_nothing(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, producer: int
) -> None:
    """Given workers an hour ahead and an hour behind, and a producer of either kind, then no lease ends early, and delays are right."""
    settings = {"lease": 1.5}
    ahead = start_worker("faulty", settings=settings, env=_clock(tmp_path / "ahead", HOUR))
    behind = start_worker("faulty", settings=settings, env=_clock(tmp_path / "behind", -HOUR))
    right, right_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: right() + producer)
    monkeypatch.setattr(time, "time_ns", lambda: right_ns() + producer * 10**9)
    faulty.hold.push(str(tmp_path / "go"), "one")
    faulty.hold.push(str(tmp_path / "go"), "other")
    assert len({line.pid for line in ledger.wait_for("run", 2)}) == 2
    time.sleep(3 * settings["lease"])  # jobs longer than the lease
    (tmp_path / "go").touch()
    ledger.wait_for("held", 2)
    faulty.retry_once.push("retried")
    pushed = time.monotonic()
    faulty.quick.options(delay=0.6).push("later")
    later = wait_until(lambda: [line for line in ledger.lines("run") if line.value == "later"])[0]
    assert 0.55 < later.at - pushed < 1.2
    wait_until(lambda: runs(ledger)["retried"] == 2)
    for worker in (ahead, behind):
        assert worker.stop() == 0
        assert "lost" not in worker.log
        assert "declared lost" not in worker.log
    # The logs show that their clocks were really off.
    assert ahead.log[:13] != behind.log[:13]
    assert runs(ledger) == {"one": 1, "other": 1, "retried": 2, "later": 1}
    assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) == 0


class TestTheServer:
    """A server whose clock the test sets."""

    @pytest.fixture
    def own(self, own_server: OwnServer) -> ServerProcess:
        return own_server(appendonly=True, clock=True)

    def test_no_step_of_its_clock_runs_a_job_twice(
        self, start_worker: StartWorker, own: ServerProcess, ledger: Ledger, tmp_path: Path
    ) -> None:
        """Given running jobs of two workers, if the clock steps by a second, a minute and an hour, then none is lost, none runs twice."""
        settings = {"lease": 1.5}
        workers = [start_worker("faulty", "--processes", "2", settings=settings, ready=2) for _ in range(2)]
        faulty.hold.push(str(tmp_path / "go"), "one")
        faulty.hold.push(str(tmp_path / "go"), "other")
        ledger.wait_for("run", 2)
        for seconds in (1, 0, -1, 59, -1, 3599, -1, -3601, 0):
            own.set_clock(seconds)
            takes_new_jobs(ledger, timeout=30)
            time.sleep(1.3 * settings["lease"])  # jobs longer than the lease
        (tmp_path / "go").touch()
        ledger.wait_for("held", 2)
        takes_new_jobs(ledger)
        for worker in workers:
            assert worker.stop() == 0
            assert "lost" not in worker.log
        assert set(runs(ledger).values()) == {1}

    @pytest.mark.parametrize("seconds", [1, -1, 60, -60, HOUR, -HOUR])
    def test_no_step_of_its_clock_hides_a_lost_worker(
        self, start_worker: StartWorker, own: ServerProcess, ledger: Ledger, tmp_path: Path, seconds: int
    ) -> None:
        """Given a worker that was killed with its machine, if the clock steps then, then its job runs again, as late as two leases."""
        settings = {"lease": 1.5}
        lost = start_worker("faulty", settings=settings)
        faulty.hold.push(str(tmp_path / "go"))
        ledger.wait_for("run")
        other = start_worker("faulty", settings=settings)
        lost.was_killed = True
        family = [process.pid for process in lost.family()]
        os.kill(lost.pid, signal.SIGKILL)  # first: it must not handle the end of its processes
        wait_until(lambda: not any(is_alive(pid) for pid in family))
        own.set_clock(seconds)
        ledger.wait_for("run", 2, timeout=30)
        (tmp_path / "go").touch()
        ledger.wait_for("held")
        takes_new_jobs(ledger)
        assert other.stop() == 0
        assert runs(ledger)["hold"] == 2
