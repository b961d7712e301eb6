"""A container with a read-only root, no temporary directory and no usable /dev/shm."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import TASKQ
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.support.bare_system import Shm, bare_system
from tests.support.ledger import Ledger
from tests.support.wait import wait_until
from tests.support.worker import clean_environment


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("shm", ["read-only", "full"])
def test_a_worker_needs_no_writable_directory(
    start_worker: StartWorker, ledger: Ledger, tmp_path: Path, shm: Shm, concurrency: int
) -> None:
    """Given such a container, then a worker runs jobs, survives a crash, and stops without a warning."""
    worker = start_worker("faulty", "--concurrency", str(concurrency), prefix=bare_system(tmp_path, shm))
    faulty.quick.push_many([(f"quick {number}",) for number in range(50)])
    faulty.crash_once.push("crash")
    ledger.wait_for("run", 52)
    go = tmp_path / "go"
    faulty.hold.push(str(go))
    wait_until(lambda: "hold" in ledger.values("run"))
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: ledger.values("run").count("hold") == 2)
    go.touch()
    ledger.wait_for("held")
    assert worker.stop() == 0
    assert "WARNING" not in worker.log


def test_a_worker_without_shm_releases_messages(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given such a container, then the supervisor and its worker processes share their locks: prefetched messages are released."""
    worker = start_worker("faulty", "--processes", "2", ready=2, prefix=bare_system(tmp_path, "read-only"))
    go = tmp_path / "go"
    faulty.quick.push_many([(number,) for number in range(200)])
    ledger.wait_for("run", 200)
    faulty.hold.push_many([(str(go), "held"), *((str(tmp_path), f"short {number}") for number in range(30))])
    ledger.wait_for("held", 30)
    go.touch()
    ledger.wait_for("held", 31)
    assert worker.stop() == 0
    assert len(ledger.lines("run")) == 231


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["doctor"], "the embedded server can't write to {folder}"),
        (["worker"], "the embedded server can't write to {folder}/.taskq: Read-only file system: run taskq in a directory where"),
        (["bench"], "Error: no directory for temporary files is writable: mount one at /tmp, or set TMPDIR"),
        (["demo"], "Error: no directory for temporary files is writable: mount one at /tmp, or set TMPDIR"),
    ],
)
def test_a_missing_directory_is_named(tmp_path: Path, args: list[str], text: str) -> None:
    """Given such a container and a command that does need a directory, then it exits with 2 and an error that names what to mount."""
    folder, writable = tmp_path / "project", tmp_path / "writable"
    folder.mkdir()
    writable.mkdir()
    (folder / "jobs.py").write_text("import taskq\nqueue = taskq.Queue()\n")
    (folder / "taskq.toml").write_text('app = "jobs:queue"\n')
    command = [*bare_system(writable, "read-only"), *TASKQ, *args]
    done = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert text.format(folder=folder) in done.stdout + done.stderr
