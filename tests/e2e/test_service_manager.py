"""A worker under a service manager that expects notifications."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import pytest

from taskq import Queue
from taskq.driver.heartbeats import last_heartbeat
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.notify import NotifyInbox
from tests.support.wait import wait_until

CODE = """
import os, time, taskq
from tests.support.ledger import note

queue = taskq.Queue()

@queue.on_start
def start():
    note("starting")
    while not os.path.exists("go"):
        time.sleep(0.005)

@queue.job
def show():
    found = [name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG"))]
    note("show", found)
"""


@pytest.mark.one_python
def test_a_worker_reports_its_state(start_worker: StartWorker, ledger: Ledger, tmp_path: Path, url: str) -> None:
    """Given a notify socket, then a worker is ready with its processes, reports its reload, watchdog and stop, and jobs can't report."""
    (tmp_path / "notified_app.py").write_text(CODE)
    inbox = NotifyInbox(f"@{uuid.uuid4()}")
    worker = start_worker(
        "notified_app",
        "--processes",
        "2",
        cwd=tmp_path,
        ready=0,
        settings={"lease": 1},
        env={"NOTIFY_SOCKET": inbox.address, "WATCHDOG_USEC": "400000"},
    )
    ledger.wait_for("starting", 2, timeout=30)
    assert not any(one.startswith("READY") for one in inbox.take())
    (tmp_path / "go").touch()
    assert inbox.wait_for("READY") == "READY=1\nSTATUS=0 jobs running, 2 processes"
    inbox.wait_for("WATCHDOG=1")
    channel = Queue(url, channels={"default": {"lease": 1}}).channel("default")
    wait_until(lambda: last_heartbeat(url, channel, anywhere=False, starting=False, timeout=30), timeout=30)  # as `taskq ping` asks
    old = worker.children()
    worker.signal(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in inbox.wait_for("RELOADING=1")
    inbox.wait_for("READY=1")
    assert not set(old) & set(worker.children())
    Queue(url).job(name="notified_app:show")(lambda: None).push()
    ledger.wait_for("show", timeout=30)
    assert ledger.values("show") == [[]]
    worker.signal(signal.SIGTERM)
    assert inbox.wait_for("STOPPING=1").startswith("STOPPING=1\nSTATUS=stopping: SIGTERM")
    assert worker.wait(30) == 0
    assert inbox.senders == {worker.pid}
    inbox.close()
