"""SIGHUP replaces the worker processes, and loses no job."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from taskq import Queue
from taskq.channel import State
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

CODE = """
import os, taskq
from tests.support.ledger import note

queue = taskq.Queue()

@queue.job
def record(number: int = 0) -> None:
    note("record", ["{version}", number])

@queue.job
def hold(path: str) -> None:
    import time
    note("hold", "{version}")
    while not os.path.exists(path):
        time.sleep(0.005)
    note("held", "{version}")
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The app's file, in its first version."""
    path = tmp_path / "site_app.py"
    path.write_text(CODE.format(version="one"))
    return path


@pytest.fixture
def queue(url: str) -> Queue:
    """A producer that knows the jobs only by name."""
    queue = Queue(url)
    for name in ("record", "hold", "fresh"):
        queue.job(name=f"site_app:{name}")(lambda *args: None)
    return queue


def test_new_code_runs_after_sighup(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given two children, if the app changes and SIGHUP comes, then both are replaced, one after the other, and run the new code."""
    worker = start_worker("site_app", "--processes", "2", cwd=code.parent, ready=2)
    zygote, old = worker.zygote().pid, set(worker.children())
    code.write_text(CODE.format(version="two"))
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(worker.children()) == 2 and not old & set(worker.children()))
    wait_until(lambda: len(worker.family()) == 3 and worker.zygote().pid != zygote)
    queue.push_name("site_app:record", [1])
    assert [line.value for line in ledger.wait_for("record")] == [["two", 1]]
    assert worker.stop() == 0
    assert "reloading the app" in worker.log


def test_nothing_is_lost_in_a_restart(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given many running jobs, if SIGHUP comes among them, then each runs exactly once."""
    worker = start_worker("site_app", "--processes", "2", cwd=code.parent, ready=2)
    job = queue.jobs.get("site_app:record")
    assert job is not None
    job.push_many([(number,) for number in range(3000)])
    ledger.wait_for("record", 50)
    code.write_text(CODE.format(version="two"))
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("app reloaded")
    job.push_many([(number,) for number in range(3000, 3500)])
    ledger.wait_for("record", 3500, timeout=30)
    assert worker.stop() == 0
    assert sorted(number for _, number in ledger.values("record")) == list(range(3500))


def test_a_running_job_ends_in_the_old_code(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, tmp_path: Path) -> None:
    """Given a job that runs while SIGHUP comes, then the new code doesn't wait for it, and it finishes in its old process."""
    worker = start_worker("site_app", cwd=code.parent)
    queue.push_name("site_app:hold", [str(tmp_path / "go")])
    ledger.wait_for("hold")
    code.write_text(CODE.format(version="two"))
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(worker.children()) == 2)
    queue.push_name("site_app:record", [1])
    ledger.wait_for("record")
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    assert [line[:2] for line in ledger.lines()] == [("hold", "one"), ("record", ["two", 1]), ("held", "one")]
    assert worker.stop() == 0


@pytest.mark.parametrize("broken", ["this is no python", "raise RuntimeError('broken')", "import os\nos._exit(3)", "x = 1\n"])
def test_the_old_code_stays_when_the_new_does_not_load(
    start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, broken: str
) -> None:
    """Given an app that no longer loads, if SIGHUP comes, then that is logged, and the old code stays; a fixed app is loaded."""
    worker = start_worker("site_app", cwd=code.parent)
    old = worker.children()
    code.write_text(broken)
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("ERROR .*rolling restart failed, keeping the old code")
    queue.push_name("site_app:record", [1])
    ledger.wait_for("record")
    assert worker.children() == old
    code.write_text(CODE.format(version="three"))
    worker.signal(signal.SIGHUP)
    wait_until(lambda: worker.children() not in (old, []))
    queue.push_name("site_app:record", [2])
    ledger.wait_for("record", 2)
    assert ledger.values("record") == [["one", 1], ["three", 2]]
    assert worker.stop() == 0


def test_a_job_of_the_new_code_is_unparked(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue, store: Store) -> None:
    """Given a message of a job that only the new code has, then it is parked, and runs after SIGHUP, in its first attempt."""
    worker = start_worker("site_app", cwd=code.parent)
    queue.push_name("site_app:fresh")
    wait_until(lambda: store.count(State.PARKED) == 1)
    extra = "\n@queue.job\ndef fresh() -> None:\n    note('fresh', taskq.current().attempt)\n"
    code.write_text(CODE.format(version="two") + extra)
    worker.signal(signal.SIGHUP)
    ledger.wait_for("fresh")
    assert ledger.values("fresh") == [1]
    assert worker.stop() == 0
    assert store.count(State.PARKED) == 0


def test_a_second_sighup_waits_for_the_first(start_worker: StartWorker, code: Path) -> None:
    """Given a restart in progress, if another SIGHUP comes, then the log rejects it, and the worker continues."""
    worker = start_worker("site_app", cwd=code.parent)
    old = worker.children()
    code.write_text(CODE.format(version="two") + "\nimport time\ntime.sleep(0.5)\n")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("reloading the app")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("a rolling restart is already in progress")
    wait_until(lambda: worker.children() not in (old, []))
    assert worker.stop() == 0


def test_a_worker_stops_in_the_middle_of_a_restart(start_worker: StartWorker, code: Path) -> None:
    """Given a restart whose app loads slowly, if the worker is asked to stop, then it does."""
    worker = start_worker("site_app", cwd=code.parent)
    code.write_text("import time\ntime.sleep(60)\n")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("reloading the app")
    assert worker.stop(5) == 0


def test_a_worker_that_can_not_reload_its_app_exits(start_worker: StartWorker, code: Path, store: Store) -> None:
    """Given an app that no longer loads, if the zygote is killed, then the worker exits with 2 and reports the reason."""
    worker = start_worker("site_app", cwd=code.parent)
    code.write_text("raise RuntimeError('broken')")
    worker.zygote().kill()
    assert worker.wait() == 2
    assert "the zygote died, and the app can't be reloaded" in worker.log
    assert "RuntimeError: broken" in worker.log
    assert store.workers() == {}


def test_a_killed_zygote_is_replaced(start_worker: StartWorker, ledger: Ledger, code: Path, queue: Queue) -> None:
    """Given a zygote that is killed, and its children with it, then another replaces it, and the interrupted jobs run again."""
    worker = start_worker("site_app", cwd=code.parent)
    queue.push_name("site_app:hold", [str(code.parent / "go")])
    queue.push_name("site_app:record", [1])
    ledger.wait_for("hold")
    worker.zygote().kill()
    ledger.wait_for("hold", 2)
    (code.parent / "go").touch()
    ledger.wait_for("record")
    assert worker.stop() == 0
    assert [line.what for line in ledger.lines()] == ["hold", "hold", "held", "record"]
    assert "starting another" in worker.log
