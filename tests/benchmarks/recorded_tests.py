"""How long 1,000 tests take that push a job, check the push and run the job, next to 1,000 empty tests.

    python -m tests.benchmarks.recorded_tests

Both are run by pytest with the fixture `taskq`, in a temporary directory and in one process. Prints the time of each in seconds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT = 1000
JOBS = """
from taskq import Queue

queue = Queue("redis://127.0.0.1:1")


@queue.job
def send(to: str, number: int) -> None: ...
"""
RECORDED = f"""
import pytest
from jobs import send


@pytest.mark.parametrize("number", range({COUNT}))
def test_push(taskq, number):
    send.push("anna@example.org", number)
    taskq.assert_pushed(send, number=number)
    assert taskq.run_all() == 1
"""
EMPTY = f"""
import pytest


@pytest.mark.parametrize("number", range({COUNT}))
def test_nothing(number):
    pass
"""


def seconds(directory: Path, text: str) -> float:
    """Return the time of a run of pytest over one file."""
    (directory / "test_many.py").write_text(text)
    began = time.perf_counter()
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider", "test_many.py")
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "jobs.py").write_text(JOBS)
        empty, recorded = seconds(directory, EMPTY), seconds(directory, RECORDED)
    print(f"{COUNT:,} empty tests:    {empty:.2f} s")
    print(f"{COUNT:,} recorded tests: {recorded:.2f} s")


if __name__ == "__main__":
    main()
