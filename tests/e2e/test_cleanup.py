"""Jobs that damage their process: the worker recovers, and the next job runs."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from taskq.channel import State
from tests.e2e.apps import messy
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import ROOT


@pytest.mark.parametrize(
    "how", ["folder", "removed folder", "signals", "path", "umask", "environment", "event loops", "output", "collector"]
)
def test_the_next_job_runs_after_a_mess(start_worker: StartWorker, ledger: Ledger, how: str) -> None:
    """Given a job that changes its process forever, then the next one runs in the worker's own folder, and the worker stops when told."""
    messy.state.push()
    worker = start_worker("messy")
    ledger.wait_for("state")
    messy.mess_up.push(how)
    ledger.wait_for("mess_up")
    messy.state.push()
    messy.astate.push()
    ledger.wait_for("state", 2)
    ledger.wait_for("astate")
    assert worker.stop(5) == 0
    before, after = ledger.values("state")
    assert before["folder"] == after["folder"] == str(ROOT)
    assert before["alarm"] == after["alarm"] == "method"
    assert "was killed" not in worker.log


def test_a_job_without_memory_fails_alone(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that eats all the memory its process may have, then it fails with MemoryError, and its process goes on."""
    messy.eat.push(100)
    messy.state.push()
    assert run_burst(start_worker, "messy") == 1
    assert "MemoryError" in store.history(State.FAILED)[0].error
    assert ledger.lines("state")[0].pid == ledger.lines("eat")[0].pid


def test_a_process_without_descriptors_goes_on_or_is_replaced(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that leaks all descriptors its process may have, if the connection is cut then, the next jobs run anyway."""
    worker = start_worker("messy")
    messy.leak_descriptors.push()
    messy.state.push()
    ledger.wait_for("state")
    store.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    messy.queue.close()
    messy.state.push()
    ledger.wait_for("state", 2)
    assert worker.stop() == 0
    assert len(ledger.lines("leak_descriptors")) == 1


@pytest.mark.parametrize("job", [messy.fork_many, messy.fork_and_hang], ids=["returns", "hangs"])
def test_forks_that_never_return_end_at_last(start_worker: StartWorker, ledger: Ledger, job: Any) -> None:
    """Given a job that leaves many forks behind, if it returns the next job runs, if not it is killed; the forks end with their process."""
    worker = start_worker("messy")
    job.push(30)
    messy.state.push()
    ledger.wait_for("state")
    forks = ledger.values("forked one")
    assert worker.stop() == 0
    assert len(forks) == 30
    wait_until(lambda: not any(map(is_alive, forks)))
    assert "killed at stop_timeout" not in worker.log


def test_a_process_whose_descriptors_are_closed_is_replaced(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that closes every descriptor, then what comes after it runs in another process, once, and nothing is lost."""
    messy.mess_up.push("descriptors")
    messy.state.push_many([()] * 5)
    worker = start_worker("messy", settings={"lease": 1}, ready=0)
    ledger.wait_for("state", 5)
    assert worker.stop() == 0
    assert ledger.values("mess_up")[0] not in {value["pid"] for value in ledger.values("state")}
    assert len(ledger.lines("state")) == 5
    assert store.count(State.WAITING) + store.count(State.DELAYED) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_can_not_call_its_supervisor_is_replaced(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that closes the pipe to the supervisor, then its process ends in good order, and another runs what comes, once."""
    worker = start_worker("messy")
    messy.close_one_end.push()
    ledger.wait_for("closed")
    messy.state.push_many([()] * 300)
    ledger.wait_for("state", 300)
    assert worker.stop() == 0
    assert "a job closed file descriptors" in worker.log
    assert "exited with code" not in worker.log
    assert len(ledger.lines("state")) == 300


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread watches the parent")
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_process_that_has_forgotten_its_parent_ends_with_it(start_worker: StartWorker, ledger: Ledger, concurrency: int) -> None:
    """Given a job that makes the kernel forget whose child it is, if the supervisor is killed, then the process ends anyway."""
    worker = start_worker("messy", "--concurrency", str(concurrency), settings={"lease": 1})
    messy.forget_parent.push()
    ledger.wait_for("forgot")
    worker.kill()  # and waits until all are gone
    assert "its supervisor has died" in worker.log


def test_a_fork_that_comes_back_settles_nothing(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that forks and returns in both processes, then the message is settled once, and the next job runs once."""
    messy.fork.push()
    messy.state.push()
    worker = start_worker("messy", "--burst", ready=0)
    assert worker.wait() == 0
    assert sorted(ledger.values("forked")) == [[1, False], [1, True]]
    assert len(ledger.lines("state")) == 1
    assert "ERROR" not in worker.log


AWKWARD = {
    "stubborn": "Stubborn: (its __str__ raised RuntimeError)",
    "huge": "ValueError: xxxx",
    "deep": "RecursionError: maximum recursion depth exceeded",
    "surrogate": "ValueError: \\ud800 half a letter",
    "group": "ExceptionGroup: many (2 sub-exceptions)",
}


def test_awkward_exceptions_are_kept_all_the_same(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given exceptions that can't be shown, are huge, deep or nested, then each lies in failed, bounded, and the process lives."""
    handles = {how: messy.fail.push(how).id for how in AWKWARD}
    messy.state.push()
    assert run_burst(start_worker, "messy") == 1
    assert len(ledger.lines("state")) == 1
    failed = {message.hex_id: message for message in store.messages(State.FAILED)}
    for how, start in AWKWARD.items():
        (record,) = store.records(failed[handles[how]])
        assert record.error.startswith(start)
        assert "Traceback" in record.traceback
        assert len(failed[handles[how]].raw) < 50_000


def test_a_result_that_nobody_could_store_is_no_failure(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that returns what can't be pickled, then it is done: results aren't stored."""
    messy.returns_anything.push()
    assert run_burst(start_worker, "messy") == 0
    assert len(ledger.lines("returns")) == 1
    assert store.count(State.FAILED) == 0
