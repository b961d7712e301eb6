"""Shutdown: graceful, immediate, or at the end of stop_timeout."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import slow
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.store import Store
from tests.support.wait import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_stops_at_once(start_worker: StartWorker, store: Store, number: signal.Signals) -> None:
    """Given a worker without work, if it receives SIGTERM, then it exits with 0 within seconds."""
    worker = start_worker("slow", "--processes", "2", ready=2)
    worker.signal(number)
    assert worker.wait(4) == 0
    assert f"stopping: {number.name}" in worker.log
    assert "was killed" not in worker.log
    assert store.workers() == {}


def test_a_running_job_may_end(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a running job and others in the queue, if the worker is stopped, then that job ends, and the others still wait, in order."""
    slow.until.push(str(tmp_path / "go"))
    behind = slow.quick.push_many([(number,) for number in range(5)])
    worker = start_worker("slow", ready=0)
    ledger.wait_for("start")
    worker.signal(signal.SIGTERM)
    worker.wait_for_log("stopping: SIGTERM")
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    assert len(ledger.lines("end")) == 1
    assert ledger.lines("quick") == []
    assert [message.hex_id for message in store.messages(State.WAITING)] == [handle.id for handle in behind]


def test_what_is_left_keeps_its_order(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given messages that a stopping worker had reserved, then they come next again, in their order and uncounted."""
    slow.quick.push_many([(number,) for number in range(200)])
    slow.until.push(str(tmp_path / "go"))
    later = slow.quick.push_many([(number,) for number in range(200, 300)])
    worker = start_worker("slow", ready=0)
    ledger.wait_for("start")
    worker.signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    left = store.messages(State.WAITING)
    assert [message.hex_id for message in left] == [handle.id for handle in later[len(later) - len(left) :]]
    assert {(message.attempts, message.crashes) for message in left} <= {(0, 0)}
    assert ledger.values("quick") == list(range(300 - len(left)))


def test_a_job_that_takes_too_long_is_killed_and_runs_again(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given stop_timeout = 0.3 and a job of a minute, then it is killed after that, and waits again, uncounted."""
    slow.nap.push(60, "long")
    worker = start_worker("slow", settings={"stop_timeout": 0.3})
    ledger.wait_for("start")
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began > 0.3  # and stop() waits half as long as the default stop_timeout
    assert "killed at stop_timeout" in worker.log
    (message,) = store.messages(State.WAITING)
    assert (message.attempts, message.crashes, message.history_bytes()) == (0, 0, b"")


@pytest.mark.parametrize(("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)])
def test_a_second_signal_stops_at_once(
    start_worker: StartWorker, ledger: Ledger, store: Store, first: signal.Signals, second: signal.Signals
) -> None:
    """Given a running job of a minute, if the worker gets a second signal, then it ends at once, and the job waits again."""
    slow.nap.push(60)
    worker = start_worker("slow")
    ledger.wait_for("start")
    worker.signal(first)
    worker.wait_for_log("stopping:")
    worker.hurry(second)
    assert worker.wait() == 0
    assert f"{second.name} again" in worker.log
    assert f"killed by a second stop signal ({second.name}); tests.e2e.apps.slow:nap" in worker.log
    assert store.count(State.WAITING) == 1
    assert ledger.lines("end") == []


def test_two_signals_may_be_one_wish(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given a running job, if SIGINT and SIGTERM arrive together, as a runner sends them, then the worker waits for the job."""
    slow.until.push(str(tmp_path / "go"))
    worker = start_worker("slow")
    ledger.wait_for("start")
    worker.signal(signal.SIGSTOP)  # so that a slow machine can't separate them
    worker.signal(signal.SIGINT)
    worker.signal(signal.SIGTERM)
    worker.signal(signal.SIGCONT)
    worker.wait_for_log("stopping: SIGINT")
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    assert len(ledger.lines("end")) == 1
    assert " again: killing" not in worker.log


def test_what_a_killed_job_has_started_ends_with_it(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that waits for another program, if it is killed at the stop, then the program ends too."""
    slow.start_program.push(60)
    worker = start_worker("slow", settings={"stop_timeout": 0.1})
    (line,) = ledger.wait_for("program")
    assert worker.stop() == 0
    wait_until(lambda: not is_alive(line.value))


def test_a_worker_can_be_stopped_while_it_loads(start_worker: StartWorker, tmp_path: Path, ledger: Ledger) -> None:
    """Given an app that takes long to import, if the worker is stopped meanwhile, then it exits."""
    (tmp_path / "lazy.py").write_text("import time, taskq\nqueue = taskq.Queue()\nprint('importing', flush=True)\ntime.sleep(60)\n")
    worker = start_worker("lazy", cwd=tmp_path, ready=0)
    worker.wait_for_log("importing")
    assert worker.stop(8) == 0


LATE = """
import os, time, taskq
from tests.support.ledger import note
queue = taskq.Queue()

def late():
    note("forked")
    time.sleep(0.5)

os.register_at_fork(after_in_child=late)
"""


def test_a_child_that_is_just_born_stops_too(start_worker: StartWorker, tmp_path: Path, ledger: Ledger) -> None:
    """Given a child that gets SIGTERM before it has its handler, then it stops as soon as it has started."""
    (tmp_path / "late.py").write_text(LATE)
    worker = start_worker("late", cwd=tmp_path, settings={"stop_timeout": 20})
    ledger.wait_for("forked")
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 15
    assert "was killed" not in worker.log


def test_a_child_stopped_alone_is_replaced(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given SIGTERM to one child, then it ends in good order, another takes its place, and nothing is called a crash."""
    worker = start_worker("slow")
    (child,) = wait_until(worker.children)
    os.kill(child, signal.SIGTERM)
    wait_until(lambda: worker.children() not in ([], [child]))
    slow.quick.push()
    (line,) = ledger.wait_for("quick")
    assert line.pid != child
    assert worker.stop() == 0
    assert "exited" not in worker.log
