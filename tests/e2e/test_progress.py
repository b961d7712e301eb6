"""Progress that a running job reports, read by its handle, `taskq info` and `taskq show`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import taskq
from taskq import JobFailed
from tests.e2e.apps import answering, concurrency
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import clean_environment


def _taskq(url: str, *args: str) -> str:
    command = [sys.executable, "-c", "from taskq.cli import main; main()", *args, "--url", url]
    return subprocess.run(command, env={**clean_environment(), "COLUMNS": "300"}, capture_output=True, text=True, check=True).stdout


def test_progress_is_read_while_the_job_runs(start_worker: StartWorker, ledger: Ledger, store: Store, url: str, tmp_path: Path) -> None:
    """Given a job that tells each of its thousand steps, then few are sent, and handle, status, info and show tell how far it is."""
    gate = tmp_path / "gate"
    store.client.config_resetstat()
    handle = answering.steps.push(1000, str(gate))
    assert handle.progress() is None
    start_worker("answering", settings={"lease": 1})
    ledger.wait_for("told")
    progress = wait_until(lambda: reported if (reported := handle.progress()) is not None and reported.done == 1000 else None)
    assert progress.total == 1000
    status = handle.status()
    assert (status.state, status.attempt, status.progress) == ("running", 1, progress)
    wait_until(lambda: "1000 of 1000" in _taskq(url, "info"))
    reported = [worker for report in json.loads(_taskq(url, "info", "--json")) for worker in report["workers"] if worker["job"]]
    assert reported[0]["progress"]["total"] == 1000
    assert "progress:    1000 of 1000" in _taskq(url, "show", handle.id)
    gate.touch()
    assert handle.result(30) == 1000
    last = handle.progress()
    assert last is not None
    assert (last.done, last.message, last.share) == (1000, "step 1000", 1.0)
    assert store.client.info("commandstats")["cmdstat_set"]["calls"] < 100
    shown = _taskq(url, "show", handle.id)
    assert "state:       done" in shown
    assert "1000 of 1000 (100%) step 1000" in shown


def test_an_async_job_reports_its_progress(start_worker: StartWorker) -> None:
    """Given a coroutine that tells its steps, then the last of them is there when it has ended."""
    start_worker("answering")
    handle = answering.asteps.push(50)
    assert handle.result(30) == 50
    progress = handle.progress()
    assert progress is not None
    assert (progress.done, progress.total, progress.share) == (50, 50, 1.0)


def test_a_server_that_hangs_holds_up_no_event_loop(start_worker: StartWorker, ledger: Ledger, server: ServerProcess) -> None:
    """Given a coroutine job that reports its last progress to a hanging server, then the jobs beside it continue."""
    worker = start_worker("concurrency", settings={"concurrency": 2})
    concurrency.tick.push()
    ledger.wait_for("ticking")
    concurrency.report_the_last.push(server.pid)
    (line,) = ledger.wait_for("longest")
    server.resume()
    assert line.value < 0.8
    assert worker.stop() == 0


def test_what_is_no_progress_fails_the_job(start_worker: StartWorker) -> None:
    """Given a job that tells something that is no number, then it fails with a text that says so."""
    start_worker("answering")
    with pytest.raises(JobFailed, match="done must be a finite number; got nan"):
        answering.bad_progress.push().result(30)


def test_outside_of_a_worker_it_does_nothing(tmp_path: Path, ledger: Ledger) -> None:
    """Given a plain call of a job that reports progress, then it runs, and the report does nothing."""
    taskq.progress(1, 2, "x")
    gate = tmp_path / "gate"
    gate.touch()
    assert answering.steps(3, str(gate)) == 3
    assert ledger.values("told") == [3]
