"""Workers with many processes and channels start, stay, restart and stop."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from taskq import Queue
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import WorkerProcess

#: A slow machine needs longer; nothing here depends on the time.
LONG = 100.0
pytestmark = pytest.mark.timeout(400)

APP = """
import os, taskq
from tests.support.ledger import note

queue = taskq.Queue(channels={{f"c{{number}}": {{}} for number in range({channels})}})

@queue.job
def record(number: int) -> None:
    note("record", number)

{more}
"""


def pids(store: Store, worker: WorkerProcess) -> set[int]:
    """The worker processes of a channel that wait for messages."""
    assert worker.code is None, worker.log
    return {int(one["pid"]) for one in store.workers().values() if one.get("state") == "idle" and one["pid"] != "0"}


def test_150_processes_start_stay_and_stop(start_worker: StartWorker, ledger: Ledger, store: Store, url: str, tmp_path: Path) -> None:
    """Given processes = 150, then all start and run jobs; a rolling restart replaces them, and a stop ends all, without an error."""
    (tmp_path / "many.py").write_text(APP.format(channels=0, more=""))
    worker = start_worker("many:queue", cwd=tmp_path, settings={"processes": 150, "lease": 5}, ready=0)
    first = wait_until(lambda: len(found := pids(store, worker)) == 150 and found, timeout=LONG, interval=0.1)
    queue = Queue(url)
    queue.job(name="many:record")(lambda number: None).push_many([(number,) for number in range(1000)])
    ledger.wait_for("record", 1000, timeout=LONG)
    assert set(worker.children()) == first
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(found := pids(store, worker)) == 150 and not found & first, timeout=LONG, interval=0.1)
    assert worker.stop(LONG) == 0
    assert sorted(ledger.values("record")) == list(range(1000))
    assert "ERROR" not in worker.log
    assert "WARNING" not in worker.log
    queue.close()


def test_64_channels_start_stay_and_stop(start_worker: StartWorker, ledger: Ledger, url: str, tmp_path: Path) -> None:
    """Given 64 channels, then each has its process and runs its jobs; so it is after a rolling restart, and a stop ends all."""
    (tmp_path / "many.py").write_text(APP.format(channels=63, more=""))
    worker = start_worker("many:queue", cwd=tmp_path, ready=0)
    names = ["default", *(f"c{number}" for number in range(63))]
    queue = Queue(url, channels={name: {} for name in names})
    job = queue.job(name="many:record")(lambda number: None)
    for name in names:
        job.options(channel=name).push(0)
    ledger.wait_for("record", 64, timeout=LONG)
    first = {line.pid for line in ledger.lines("record")}
    assert len(first) == 64
    worker.signal(signal.SIGHUP)
    wait_until(lambda: len(found := set(worker.workers())) == 64 and not found & first, timeout=LONG, interval=0.1)
    for name in names:
        job.options(channel=name).push(1)
    ledger.wait_for("record", 128, timeout=LONG)
    assert worker.stop(LONG) == 0
    assert len({line.pid for line in ledger.lines("record")}) == 128
    assert "ERROR" not in worker.log
    queue.close()


SLOW_FORKS = """
import threading
started = threading.Event()

def wait() -> None:
    note("fork")
    while not os.path.exists({path!r}):
        started.wait(0.001)

os.register_at_fork(before=wait)
"""


def test_a_stop_waits_for_no_process_that_was_not_forked(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given 150 processes of which few are forked yet, if the worker is asked to stop, then most of the others are never forked."""
    path = str(tmp_path / "go")
    (tmp_path / "many.py").write_text(APP.format(channels=0, more=SLOW_FORKS.format(path=path)))
    worker = start_worker("many:queue", cwd=tmp_path, settings={"processes": 150}, ready=0)
    ledger.wait_for("fork")
    wait_until(lambda: len(store.workers()) == 150)
    worker.signal(signal.SIGTERM)
    wait_until(lambda: len(store.workers()) < 100)
    Path(path).touch()
    assert worker.wait(LONG) == 0
    assert len(ledger.lines("fork")) < 100
