"""A zygote that hangs or dies is replaced; so is one of an application with many open files."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import runs
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

APP = """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
kept = [open("/dev/null") for _ in range(1100)]
from tests.e2e.apps.faulty import *
"""


def test_the_job_of_a_dead_child_runs_again_though_its_zygote_hangs(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given two children and a stopped zygote, if one child is killed, then the other soon runs its job, and a stop signal works."""
    worker = start_worker("faulty", "--processes", "2", ready=2)
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    (reported,) = wait_until(lambda: [one for one in store.workers().values() if one["state"] == "running"])
    os.kill(worker.zygote().pid, signal.SIGSTOP)
    os.kill(int(reported["pid"]), signal.SIGKILL)
    wait_until(lambda: runs(ledger)["hold"] == 2)
    worker.wait_for_log("its zygote hangs, so the exit status is unknown")
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    assert worker.stop() == 0
    assert len(ledger.lines("run")) == 2
    assert store.count(State.WAITING) + store.count(State.FAILED) == 0


@pytest.mark.parametrize("how", ["stop_timeout", "second signal"])
def test_a_child_that_was_never_forked_hinders_no_stop(start_worker: StartWorker, how: str) -> None:
    """Given a hung zygote with an unanswered request, if the worker is asked to stop, then it exits in time, or at a second signal."""
    worker = start_worker("faulty", settings={"stop_timeout": 0.5 if how == "stop_timeout" else 60})
    os.kill(worker.zygote().pid, signal.SIGSTOP)
    os.kill(worker.children()[0], signal.SIGKILL)
    worker.wait_for_log("its zygote hangs, so the exit status is unknown")
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    if how == "second signal":
        worker.wait_for_log("stopping: SIGTERM")
        worker.hurry(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - began < 9


def test_one_zygote_that_dies_counts_as_one_crash(start_worker: StartWorker, store: Store) -> None:
    """Given eight processes and a ninth that isn't forked yet, if the zygote is killed, then nine others start without a pause."""
    worker = start_worker("faulty", settings={"processes": 8}, ready=8)
    zygote, old = worker.zygote(), set(worker.children())
    os.kill(zygote.pid, signal.SIGSTOP)
    worker.signal(signal.SIGTTIN)
    wait_until(lambda: len(store.workers()) == 9)
    zygote.kill()
    wait_until(lambda: len(found := set(worker.children())) == 9 and not found & old, timeout=30)
    assert worker.stop() == 0
    assert f"the zygote (pid {zygote.pid}) died, and its 9 processes; starting another" in worker.log
    assert worker.log.count("ERROR") == 1


def test_an_app_with_many_open_files_works(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given an app that has 1,100 descriptors open when it is loaded, then jobs run, and no zygote dies."""
    (tmp_path / "many_files.py").write_text(APP)
    faulty.quick.push_many([(str(number),) for number in range(5)])
    worker = start_worker("many_files:queue", "--burst", ready=0, cwd=tmp_path)
    assert worker.wait() == 0
    assert len(ledger.lines("run")) == 5
    assert "died" not in worker.log
