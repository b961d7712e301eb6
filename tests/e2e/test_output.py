"""The output of jobs: when it is written, and what happens if it can't be."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import printing
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.pipes import UnreadPipe
from tests.support.store import Store
from tests.support.wait import wait_until

pytestmark = pytest.mark.one_python


def test_what_jobs_print_is_seen_at_once_and_in_whole_lines(start_worker: StartWorker, tmp_path: Path) -> None:
    """Given jobs that print into a file, then each line is there while the job runs, also if its process is killed right after.

    Text without a line end is there once its job has ended. Lines of two processes don't mix.
    """
    path, go = tmp_path / "out", tmp_path / "go"
    with path.open("wb") as file:
        worker = start_worker("printing", "--processes", "2", ready=2, stdout=file.fileno(), env={"PYTHONUNBUFFERED": ""})

    def output() -> list[str]:
        return path.read_text().splitlines()

    printing.say_and_hold.push("running", str(go))
    wait_until(lambda: output() == ["running"])
    printing.say_and_die.push("before", str(tmp_path / "died"))
    wait_until(lambda: output() == ["running", "before"])
    go.touch()
    printing.say.push("no line end", end="")
    wait_until(lambda: output()[-1] == "no line end")
    printing.say.push("")
    wait_until(lambda: path.read_text().endswith("no line end\n"))
    for letter in "ab":
        printing.say_much.push(letter, 300)
    wait_until(lambda: len(output()) == 603)
    assert sorted(set(output()[3:])) == ["a" * 199, "b" * 199]
    assert worker.stop() == 0


def test_no_job_fails_because_of_its_output(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a worker whose terminal is closed, if jobs print, then they are done once each, and the log says that their output is lost."""
    terminal, window = pty.openpty()
    worker = start_worker("printing", "--concurrency", "2", stdout=window)
    os.close(window)
    os.close(terminal)
    for text in ("one", "\udce9t\xe9"):
        printing.say_everywhere.push(text)
    ledger.wait_for("said", 2)
    worker.wait_for_log("WARNING .*the output of jobs to <stdout> is lost: Input/output error")
    assert worker.stop() == 0
    assert store.count(State.FAILED) == 0


def test_a_full_pipe_costs_a_job_no_attempt(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a pipe that nobody reads, if a job with a time limit prints, then it is done, and the log says that its output is lost."""
    pipe = UnreadPipe()
    try:
        worker = start_worker("printing", stdout=pipe.write)
        pipe.fill()
        printing.say_everywhere.options(handle_timeout=5).push("text")
        ledger.wait_for("said")
        worker.wait_for_log("WARNING .*the output of jobs to <stdout> is lost: it is not read")
        pipe.read()
        printing.say.push("again")
        worker.wait_for_log("WARNING .*<stdout> can be written to again; printed lines that were lost: 2")
        assert pipe.read() == "again\n"
        assert worker.stop() == 0
    finally:
        pipe.close()
