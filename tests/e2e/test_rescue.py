"""A supervisor dies: its worker processes end, and its reserved messages are rescued."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from taskq.channel import State
from tests.e2e.apps import hostile
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.store import Store
from tests.support.wait import wait_until


def test_the_children_end_with_their_supervisor(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given a supervisor that is killed while a job runs, then no process of the worker survives."""
    worker = start_worker("hostile", "--processes", "2", ready=2)
    hostile.hold.push(str(tmp_path / "never"))
    ledger.wait_for("hold")
    family = [process.pid for process in worker.family()]
    assert len(family) == 3
    worker.kill()
    assert not any(map(is_alive, family))


def test_a_restarted_worker_rescues_before_the_lease(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a supervisor that was killed, if it is started again, then it doesn't wait for the whole lease."""
    settings = {"lease": 4}
    worker = start_worker("hostile", settings=settings)
    hostile.hold.push(str(tmp_path / "go"))
    hostile.quick.push_many([(number,) for number in range(10)])
    ledger.wait_for("hold")
    worker.kill()
    (tmp_path / "go").touch()
    again = start_worker("hostile", settings=settings)
    ledger.wait_for("quick", 10)
    ledger.wait_for("held")
    assert again.stop() == 0
    assert ledger.values("quick") == list(range(10))
    assert [line.what for line in ledger.lines() if line.what != "quick"] == ["hold", "hold", "held"]
    assert "lost (its process has exited)" in again.log
    assert store.leaks() == []


def test_another_worker_rescues_after_the_lease(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given two workers and a lease of a second, if one is frozen for longer, then the other rescues its reserved messages."""
    settings = {"lease": 1}
    frozen = start_worker("hostile", settings=settings)
    hostile.hold.push(str(tmp_path / "go"))
    ledger.wait_for("hold")
    other = start_worker("hostile", settings=settings)
    frozen.signal(signal.SIGSTOP)
    began = time.monotonic()
    first, second = ledger.wait_for("hold", 2, timeout=15)
    assert first.pid != second.pid
    assert 0.5 < time.monotonic() - began < 10
    other.wait_for_log(r"lost \(no heartbeat for 1 s\); rescued 1 message")
    (message,) = wait_until(store.reserved)
    assert message[1] == 1
    (tmp_path / "go").touch()
    ledger.wait_for("held", 2)
    frozen.signal(signal.SIGCONT)
    frozen.wait_for_log("had been declared lost")
    hostile.quick.push_many([(number,) for number in range(20)])
    ledger.wait_for("quick", 20)
    assert other.stop() == 0
    assert frozen.stop() == 0
    assert store.count(State.WAITING) + store.count(State.DELAYED) + store.count(State.FAILED) == 0
    assert len(ledger.lines("hold")) == 2
    assert sorted(ledger.values("quick")) == list(range(20))


def test_a_lost_message_that_must_not_run_twice_moves_to_timeout(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given on_lost = "timeout" and a supervisor that was killed, then the running message is in timeout, and the rest is run."""
    settings = {"on_lost": "timeout", "lease": 4}
    worker = start_worker("hostile", settings=settings)
    handle = hostile.hold.push(str(tmp_path / "go"))
    ledger.wait_for("hold")
    hostile.quick.push_many([(number,) for number in range(5)])
    worker.kill()
    again = start_worker("hostile", settings=settings)
    ledger.wait_for("quick", 5)
    (message,) = wait_until(lambda: store.messages(State.TIMEOUT))
    assert again.stop() == 0
    assert message.hex_id == handle.id
    (record,) = store.history(State.TIMEOUT)
    assert (record.kind, len(ledger.lines("hold"))) == ("lost", 1)
