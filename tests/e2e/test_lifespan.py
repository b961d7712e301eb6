"""Lifespans: opened before the first job of a process, closed after its last."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import lifespans
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

OPENED = ["open pool", "open file", "open manager", "start"]
CLOSED = ["stop", "astop", "close manager", "close file", "close pool"]
BOTH = pytest.mark.parametrize("concurrency", ["1", "4"])


def _order(ledger: Ledger) -> list[str]:
    return [line.what for line in ledger.lines()]


@BOTH
def test_it_opens_before_the_first_job_and_closes_after_the_last(start_worker: StartWorker, ledger: Ledger, concurrency: str) -> None:
    """Given lifespans of every kind, on_start and on_stop, then all open once, jobs find what they yield, and all close in reverse."""
    lifespans.work.push_many([() for _ in range(5)])
    lifespans.awork.push_many([() for _ in range(5)])
    assert run_burst(start_worker, "lifespans", "--concurrency", concurrency) == 0
    order = _order(ledger)
    assert order[:4] == OPENED
    assert order[-5:] == CLOSED
    assert len(order) == 19
    assert ledger.values("start") == [["file", "pool"]]
    assert ledger.values("work") == [["a file", True]] * 5
    assert ledger.values("awork") == [[True, True]] * 5
    assert ledger.values("stop") == [True]


@BOTH
def test_a_replaced_process_closes_too(start_worker: StartWorker, ledger: Ledger, concurrency: str) -> None:
    """Given max_messages = 2 and 4 jobs, then each process opens and closes once."""
    lifespans.work.push_many([() for _ in range(4)])
    assert run_burst(start_worker, "lifespans", "--concurrency", concurrency, "--max-messages", "2") == 0
    pids = {line.pid for line in ledger.lines("work")}
    assert len(pids) == 2
    for pid in pids:
        order = [line.what for line in ledger.lines() if line.pid == pid]
        assert (order[:4], order[-5:]) == (OPENED, CLOSED)


@BOTH
def test_a_restart_closes_the_old_processes(start_worker: StartWorker, ledger: Ledger, concurrency: str) -> None:
    """Given SIGHUP, then the old process closes, and the new one opens."""
    worker = start_worker("lifespans", "--concurrency", concurrency)
    (old,) = ledger.wait_for("start")
    worker.signal(signal.SIGHUP)
    new = ledger.wait_for("start", 2)[1]
    (closed,) = ledger.wait_for("close pool")
    assert (closed.pid, new.pid != old.pid) == (old.pid, True)
    assert worker.stop() == 0


@BOTH
@pytest.mark.parametrize(
    ("how", "reported"), [("start", "ValueError: not today"), ("lifespan", "OSError: no file"), ("exit", "SystemExit: 4")]
)
def test_what_can_not_start_takes_nothing_and_tries_again_later(
    start_worker: StartWorker, ledger: Ledger, store: Store, concurrency: str, how: str, reported: str
) -> None:
    """Given a hook that raises, then what was open is closed, the log says why, the next try comes later, and no message is touched."""
    lifespans.work.push()
    worker = start_worker("lifespans", "--concurrency", concurrency, env={"HOOKS": how}, ready=0)
    first, second = ledger.wait_for("close pool", 2)
    assert first.pid != second.pid
    assert second.at - first.at > 0.9
    assert worker.stop() == 0
    assert "the worker process can't start: " in worker.log
    assert reported in worker.log
    assert "could not start; next attempt in 1 s" in worker.log
    assert "while running" not in worker.log
    (message,) = store.messages(State.WAITING)
    assert (message.attempts, message.crashes) == (0, 0)


@BOTH
@pytest.mark.parametrize("how", ["slow start", "slow sync start"])
def test_a_stop_ends_a_start_at_once(start_worker: StartWorker, ledger: Ledger, store: Store, concurrency: str, how: str) -> None:
    """Given on_start that takes a minute, when the worker is told to stop, then it closes what is open and ends at once."""
    lifespans.work.push()
    worker = start_worker("lifespans", "--concurrency", concurrency, env={"HOOKS": how}, settings={"stop_timeout": 50}, ready=0)
    ledger.wait_for("start")
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 30
    assert _order(ledger) == [*OPENED, "close manager", "close file", "close pool"]
    assert "raised" not in worker.log
    assert "destroyed" not in worker.log
    (message,) = store.messages(State.WAITING)
    assert (message.attempts, message.crashes) == (0, 0)


def test_a_burst_that_can_not_start_ends(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a start that always raises, when a burst has tried three times, then it ends with code 1 and says so; no message is touched."""
    lifespans.work.push()
    worker = start_worker("lifespans", "--burst", env={"HOOKS": "start"}, ready=0)
    assert worker.wait() == 1
    assert "channel default: 3 processes in a row could not start; stopping the burst" in worker.log
    assert len(ledger.lines("start")) == 3
    (message,) = store.messages(State.WAITING)
    assert (message.attempts, message.crashes) == (0, 0)


@BOTH
@pytest.mark.parametrize("how", ["stop", "close"])
def test_what_can_not_close_keeps_nothing_else_open(start_worker: StartWorker, ledger: Ledger, concurrency: str, how: str) -> None:
    """Given on_stop or a lifespan that raises at the end, then the rest is closed anyway, the log says why, and it is no crash."""
    lifespans.work.push()
    worker = start_worker("lifespans", "--concurrency", concurrency, env={"HOOKS": how})
    ledger.wait_for("work")
    assert worker.stop() == 0
    assert "raised; the worker process exits anyway" in worker.log
    assert "exited with" not in worker.log
    assert _order(ledger)[-1] == "close pool"


@BOTH
def test_an_end_without_end_is_killed(start_worker: StartWorker, ledger: Ledger, store: Store, concurrency: str) -> None:
    """Given on_stop that takes a minute and stop_timeout = 0.3, then the process is killed by then, and no message is blamed."""
    lifespans.work.push()
    worker = start_worker("lifespans", "--concurrency", concurrency, env={"HOOKS": "slow stop"}, settings={"stop_timeout": 0.3})
    ledger.wait_for("work")
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 30
    assert store.count(State.WAITING) == store.count(State.FAILED) == 0


@BOTH
def test_a_killed_process_closes_nothing(start_worker: StartWorker, ledger: Ledger, tmp_path: Path, concurrency: str) -> None:
    """Given a process that is killed, then its successor opens anew, and only that closes."""
    lifespans.hold.push(str(tmp_path / "go"))
    worker = start_worker("lifespans", "--concurrency", concurrency)
    (held,) = ledger.wait_for("hold")
    os.kill(held.pid, signal.SIGKILL)
    ledger.wait_for("hold", 2)
    (tmp_path / "go").touch()
    wait_until(lambda: len(ledger.lines("start")) == 2)
    assert worker.stop() == 0
    assert {line.pid for line in ledger.lines("stop")} == {ledger.lines("start")[1].pid}


def test_an_unopened_value_is_reported(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that asks taskq.state for what isn't there, then the error lists what is."""
    lifespans.ask.push("pol")
    assert run_burst(start_worker, "lifespans") == 0
    assert ledger.values("ask") == ["taskq.state has no 'pol'; it has file, pool, started"]
