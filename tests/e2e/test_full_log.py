"""The log is not read: standard error is a full pipe."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.pipes import UnreadPipe
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import clean_environment

LEASE = 2


@pytest.fixture
def pipe() -> Iterator[UnreadPipe]:
    pipe = UnreadPipe()
    yield pipe
    pipe.close()


def test_a_job_runs_once_though_the_log_is_not_read(start_worker: StartWorker, ledger: Ledger, tmp_path: Path, pipe: UnreadPipe) -> None:
    """Given a worker whose log nobody reads and another beside it, if a process of the first crashes, then its other job runs once.

    The supervisor logs the crash, and must keep sending heartbeats: otherwise the other worker rescues the job, and runs it again.
    """
    settings = {"lease": LEASE, "max_attempts": 1}
    worker = start_worker("faulty", "--processes", "2", settings=settings, ready=2, stderr=pipe.write)
    go = tmp_path / "go"
    faulty.hold.push(str(go))
    ledger.wait_for("run")
    beside = start_worker("faulty", "--processes", "2", settings=settings, ready=2)
    pipe.fill()
    (child,) = [pid for pid in worker.children() if pid != ledger.lines("run")[0].pid]
    subprocess.run(["kill", "-KILL", str(child)], check=True)
    # Longer than two leases. The other worker looks for lost workers five times a lease, and has a process to spare.
    faulty.nap.push(2.5 * LEASE, "nap")
    ledger.wait_for("napped", timeout=20)
    go.touch()
    ledger.wait_for("held")
    assert ledger.values("run").count("hold") == 1
    assert worker.stop() == 0
    assert beside.stop() == 0
    assert "lost" not in beside.log


def test_lost_lines_are_counted(start_worker: StartWorker, ledger: Ledger, pipe: UnreadPipe) -> None:
    """Given a pipe that is full for more than a second, if it is read again, then the log continues with the number of lost lines."""
    worker = start_worker("faulty", ready=1, stderr=pipe.write)
    pipe.fill()
    worker.signal(signal.SIGTTIN)
    wait_until(lambda: len(worker.children()) == 2, what="a second process")
    faulty.nap.push(1.5, "nap")
    ledger.wait_for("napped")
    pipe.read()
    assert worker.stop() == 0
    log = pipe.read()
    assert re.search(r"WARNING .*\d log lines? lost: the log was not read, or could not be written\n.*stopping: SIGTERM", log)
    assert "scaled to 2" not in log


def test_failing_jobs_are_settled_though_the_log_is_not_read(
    start_worker: StartWorker, ledger: Ledger, store: Store, pipe: UnreadPipe
) -> None:
    """Given a worker process that logs failures into a full pipe, then it runs the next jobs."""
    worker = start_worker("faulty", stderr=pipe.write)
    pipe.fill()
    for number in range(20):
        faulty.fail.push(f"fail {number}")
    faulty.quick.push("after")
    ledger.wait_for("run", 21)
    wait_until(lambda: store.count(State.FAILED) == 20)
    assert worker.stop() == 0


def test_a_worker_stops_though_the_log_is_not_read(start_worker: StartWorker, pipe: UnreadPipe) -> None:
    """Given a full pipe, then SIGTERM ends the worker with exit code 0."""
    worker = start_worker("faulty", stderr=pipe.write)
    pipe.fill()
    assert worker.stop() == 0


def test_a_program_with_its_own_log_sends_heartbeats(
    start_worker: StartWorker, ledger: Ledger, store: Store, url: str, tmp_path: Path, pipe: UnreadPipe
) -> None:
    """Given queue.work() in a program that logs to a full pipe through its own handler, then its jobs run once, too."""
    program = (
        "import logging; from tests.e2e.apps.faulty import queue\n"
        f"logging.basicConfig(level='INFO'); queue.use_url({url!r}, 'the test')\n"
        "queue.work(processes=2)\n"
    )
    env = {**clean_environment(), "TASKQ_CHANNELS__DEFAULT__LEASE": str(LEASE), "TEST_LEDGER": str(ledger.path)}
    go = tmp_path / "go"
    with subprocess.Popen([sys.executable, "-c", program], env=env, stderr=pipe.write) as process:
        try:
            faulty.hold.push(str(go))
            ledger.wait_for("run")
            beside = start_worker("faulty", "--processes", "2", settings={"lease": LEASE}, ready=2)
            pipe.fill()
            process.send_signal(signal.SIGTTIN)
            faulty.nap.push(2.5 * LEASE, "nap")
            ledger.wait_for("napped", timeout=20)
            go.touch()
            ledger.wait_for("held")
            assert ledger.values("run").count("hold") == 1
            assert beside.stop() == 0
            pipe.read()
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()
