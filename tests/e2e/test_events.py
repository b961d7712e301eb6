"""Events reach the listeners, and a listener that raises does no harm."""

from __future__ import annotations

import os
import signal

import pytest

from taskq import events
from taskq.channel import State
from taskq.scoreboard.state import HARD_GRACE
from tests.e2e.apps import listening
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.store import Store
from tests.support.wait import wait_until


def test_a_job_that_ends_well_is_reported_before_and_after(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that returns, and one that is dropped, then listeners are called for the start and the end of each, in the child."""
    listening.fine.push()
    listening.chosen.push("drop")
    assert run_burst(start_worker, "listening") == 0
    assert ledger.values("before") == [["fine", 1, None, None, False], ["chosen", 1, None, None, False]]
    assert ledger.values("after") == [["fine", 1, None, None, True]]
    assert ledger.values("dropped") == [["chosen", 1, None, None, True]]
    (pid,) = ledger.values("run")
    assert {line.pid for line in ledger.lines("before") + ledger.lines("after")} == {pid}
    assert not ledger.lines("failed")


def test_the_apps_of_tests_listen_only_in_workers() -> None:
    """Given the apps that the test files import, then none has a listener in this process: it would see the jobs of other tests."""
    assert [name for name, value in vars(events).items() if isinstance(value, events.Signal) and value.receivers] == []


def test_failures_are_reported(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that fails twice, then listeners get the retry with its delay, and the failure, and never `after`."""
    listening.failing.push()
    worker = start_worker("listening")
    ledger.wait_for("failed")
    assert worker.stop() == 0
    assert ledger.values("retry") == [["failing", 1, "ValueError", 0.02, True]]
    assert ledger.values("failed") == [["failing", 2, "ValueError", None, True]]
    assert not ledger.lines("after")


def test_a_timeout_is_reported(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that runs into its handle_timeout for the last time, then listeners get the timeout and the failure."""
    listening.late.push()
    assert run_burst(start_worker, "listening") == 1
    assert ledger.values("timeout") == [["late", 1, "JobTimeout", None, True]]
    assert ledger.values("failed") == [["late", 1, "JobTimeout", None, True]]
    assert store.count(State.TIMEOUT) == 1


@pytest.mark.parametrize("concurrency", ["1", "2"])
def test_a_slow_listener_of_timeouts_is_not_the_job_s_time(
    start_worker: StartWorker, ledger: Ledger, store: Store, concurrency: str
) -> None:
    """Given a listener that takes longer than the grace of a job at its limit, then no process is killed, and every event comes."""
    listening.late.push()
    listening.alate.push()
    arguments = ("listening", "--concurrency", concurrency)
    worker = start_worker(*arguments, settings={"stop_timeout": 20}, env={"TEST_SLOW_LISTENER": str(HARD_GRACE + 0.7)})
    ledger.wait_for("failed", 2, timeout=20)
    assert worker.stop(25) == 0
    assert sorted(value[:3] for value in ledger.values("timeout")) == [
        ["alate", 1, "JobTimeout"],
        ["alate", 2, "JobTimeout"],
        ["late", 1, "JobTimeout"],
    ]
    assert ledger.values("retry") == [["alate", 1, "JobTimeout", 0.02, True]]
    assert "killing worker process" not in worker.log
    assert "did not stop at its handle_timeout" not in worker.log
    assert store.count(State.TIMEOUT) == 2


def test_starts_and_stops_are_reported(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a worker with two children that starts and stops, then listeners get each event once, those of children in the child."""
    worker = start_worker("listening", "--processes", "2", ready=2)
    ledger.wait_for("child_start", 2)
    children = sorted(worker.children())
    assert worker.stop() == 0
    for what in ("child_start", "child_stop"):
        reported = ledger.values(what)
        assert sorted(value[0] for value in reported) == children
        assert all(value == [pid, ["default"], pid] for value, pid in zip(reported, [value[2] for value in reported], strict=True))
    for what in ("worker_start", "worker_stop"):
        ((pid, channels, listener),) = ledger.values(what)
        assert (pid, channels) == (worker.pid, ["default"])
        assert listener not in (worker.pid, *children)


@pytest.mark.one_python
def test_a_crash_is_reported(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that kills its process, then listeners get the crash, and the next process settles the message as failed."""
    handle = listening.die.push()
    assert run_burst(start_worker, "listening", settings={"max_crashes": 0}) == 1
    (crash,) = ledger.values("crashed")
    assert crash == [handle.id, "tests.e2e.apps.listening:die", "default", 1, True, "the process was killed by SIGKILL (signal 9)"]
    assert len(ledger.values("before")) == 1
    assert ledger.values("failed") == [["die", 1, "AttemptsExhausted", None, False]]


def test_lengths_are_reported(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given listeners for lengths, then they get all counts at the start, and again after 500 jobs."""
    listening.fine.push(delay=60)
    worker = start_worker("listening")
    (first,) = ledger.wait_for("queue_length")
    empty = {"waiting": 0, "reserved": 0, "delayed": 1, "failed": 0, "timeout": 0, "parked": 0}
    assert first.value == ["default", empty]
    listening.fine.push_many([()] * 600)
    ledger.wait_for("queue_length", 2)
    assert worker.stop() == 0


def test_a_killed_listener_process_is_replaced(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given listeners whose process is killed, then that is logged, and the next events reach another process."""
    worker = start_worker("listening")
    ledger.wait_for("queue_length")
    (killed,) = worker.children("taskq: listeners")
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not is_alive(killed))
    listening.fine.push_many([()] * 600)
    ledger.wait_for("queue_length", 2)
    (other,) = worker.children("taskq: listeners")
    assert worker.stop() == 0
    ((_, _, stopped),) = ledger.values("worker_stop")
    assert stopped == other != killed
    assert f"the process of the event listeners (pid {killed}) was killed by SIGKILL (signal 9); starting another" in worker.log


@pytest.mark.parametrize("kind", ["error", "exit", "interrupt"])
def test_a_listener_that_raises_harms_nothing(start_worker: StartWorker, ledger: Ledger, store: Store, kind: str) -> None:
    """Given a listener that raises at every event, then that is logged, the other listeners are called, and all jobs end as usual."""
    listening.fine.push()
    listening.failing.push()
    listening.late.push()
    worker = start_worker("listening", env={"TEST_LISTENERS_RAISE": kind})
    children = wait_until(worker.children)
    ledger.wait_for("failed", 2)
    assert worker.children() == children
    assert worker.stop() == 0
    assert len(ledger.values("run")) == 1
    assert {line.what for line in ledger.lines()} >= {"before", "after", "retry", "failed", "timeout", "worker_start", "worker_stop"}
    assert "break_listeners.<locals>.broken raised an exception" in worker.log
    assert "a broken listener" in worker.log
    assert (store.count(State.FAILED), store.count(State.TIMEOUT)) == (1, 1)
