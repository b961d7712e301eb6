"""A worker under coverage: the lines of jobs are measured, though they run in forked processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import coverage
import pytest

from taskq import Queue
from tests.support.worker import clean_environment

JOBS = """
from taskq import Queue

queue = Queue()

@queue.job
def add(number: int) -> None:
    total = number + 1
    print(total)

@queue.job
async def add_later(number: int) -> None:
    print(number)
"""
SETTINGS = """
[run]
source = .
parallel = true
patch = subprocess, _exit
"""


@pytest.mark.one_python
def test_coverage_measures_the_jobs(url: str, tmp_path: Path) -> None:
    """Given the settings of the guide, when a worker in burst mode runs sync and async jobs, then all their lines count as run."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / ".coveragerc").write_text(SETTINGS)
    (tmp_path / "taskq.toml").write_text(f'app = "jobs:queue"\nurl = "{url}"\n')
    queue = Queue(url)
    for name in ("add", "add_later"):
        queue.job(lambda number: None, name=f"jobs:{name}").push(1)
    queue.close()
    command = [sys.executable, "-m", "coverage", "run", "-m", "taskq", "worker", "--burst"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["2", "1"]), done.stderr
    measured = coverage.Coverage(data_file=str(tmp_path / ".coverage"), config_file=str(tmp_path / ".coveragerc"))
    measured.combine([str(tmp_path)])
    _, statements, missing, _ = measured.analysis(str(tmp_path / "jobs.py"))
    assert (len(statements), missing) == (9, [])
