"""A worker process crashes: the running job counts a crash and runs again at once, and prefetched messages are released in order."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import hostile
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

DEATHS = {
    "sigkill": r"was killed by SIGKILL \(signal 9\)",
    "exit 0": "exited with code 0",
    "exit 3": "exited with code 3",
    "segfault": r"was killed by SIGSEGV \(signal 11\)",
    "abort": r"was killed by SIGABRT \(signal 6\)",
}


@pytest.mark.parametrize("how", DEATHS)
def test_a_job_that_kills_its_process_runs_again_within_a_second(start_worker: StartWorker, ledger: Ledger, how: str) -> None:
    """Given a job that ends its process once, then it runs again in another within a second, in the same attempt, and the rest in order."""
    worker = start_worker("hostile")
    hostile.die.push(how, times=1)
    hostile.quick.push_many([(number,) for number in range(30)])
    first, second = ledger.wait_for("die", 2)
    ledger.wait_for("quick", 30)
    assert worker.stop() == 0
    assert first.pid != second.pid
    assert second.at - first.at < 1
    assert (first.value, second.value) == ([how, 1], [how, 1])
    assert ledger.values("quick") == list(range(30))
    assert len(ledger.lines("lived")) == 1
    assert re.search(rf"ERROR .*{DEATHS[how]}.*while running tests.e2e.apps.hostile:die", worker.log)


def test_a_child_killed_from_outside(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a child that is killed while it runs a job, then a new child runs that job again, and the sibling isn't touched."""
    worker = start_worker("hostile", "--processes", "2", ready=2)
    handle = hostile.hold.push(str(tmp_path / "go"))
    (line,) = ledger.wait_for("hold")
    sibling = next(pid for pid in worker.children() if pid != line.pid)
    os.kill(line.pid, signal.SIGKILL)
    again = ledger.wait_for("hold", 2)[1]
    assert again.pid != line.pid
    assert sibling in worker.children()
    assert again.at - line.at < 2
    (raw,) = store.reserved()
    assert raw[2:18].hex() == handle.id
    assert raw[1] == 1  # crashes, counted in the bytes themselves
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    assert worker.stop() == 0


def test_an_idle_child_that_is_killed_is_replaced(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given an idle child that is killed, then no message counts a crash, and another child starts at once."""
    worker = start_worker("hostile")
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: worker.children() not in ([], [child]))
    hostile.quick.push(1)
    ledger.wait_for("quick")
    assert worker.stop() == 0
    assert "was killed by SIGKILL (signal 9)" in worker.log
    assert "while idle" in worker.log


@pytest.mark.parametrize("how", ["sys.exit", "interrupt", "base"])
@pytest.mark.parametrize("job", [hostile.die, hostile.adie], ids=["sync", "async"])
def test_any_exception_of_a_job_is_an_ordinary_failure(
    start_worker: StartWorker, ledger: Ledger, store: Store, how: str, job: object
) -> None:
    """Given a job that raises SystemExit, KeyboardInterrupt or BaseException, then it is retried and fails, and its process lives."""
    job.push(how)  # type: ignore[attr-defined]
    worker = start_worker("hostile", settings={"retry_seconds": 0.02})
    ledger.wait_for("on_fail")
    hostile.adie.push("not at all", times=0)
    ledger.wait_for("lived")
    assert worker.stop() == 0
    assert [attempt for _, attempt in ledger.values("die")] == [1, 2, 3, 1]
    assert len({line.pid for line in ledger.lines()}) == 1
    kind = {
        "sys.exit": "SystemExit: good bye",
        "interrupt": "KeyboardInterrupt: no keyboard here",
        "base": "BaseException: the root of all",
    }
    assert [record.error for record in store.history(State.FAILED)] == [kind[how]] * 3


def test_a_job_that_always_kills_goes_to_failed(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given max_crashes = 1 and a job that always kills its process, then it fails the second time; the record has signal and memory."""
    hostile.die.push("sigkill")
    hostile.quick.push(1)
    worker = start_worker("hostile", settings={"max_crashes": 1})
    ledger.wait_for("on_fail")
    ledger.wait_for("quick")
    assert worker.stop() == 0
    assert len(ledger.lines("die")) == 2
    history = store.history(State.FAILED)
    assert [record.kind for record in history] == ["crashed", "crashed"]
    assert [record.attempt for record in history] == [1, 1]
    for record in history:
        assert re.search(r"pid \d+\) was killed by SIGKILL \(signal 9\), peak memory \d+ MiB", record.error)
        assert record.at_ms > 0
    ((kind, text),) = ledger.values("on_fail")
    assert kind == "AttemptsExhausted"
    assert "was killed by SIGKILL" in text
    (message,) = store.messages(State.FAILED)
    assert (message.crashes, message.attempts) == (2, 0)


def test_exit_codes_are_kept_in_the_history(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given max_crashes = 0 and a job that calls os._exit(3), then its history has the code, and a burst exits with 1."""
    hostile.die.push("exit 3")
    assert run_burst(start_worker, "hostile", settings={"max_crashes": 0}) == 1
    (record,) = store.history(State.FAILED)
    assert "exited with code 3" in record.error
    assert len(ledger.values("on_fail")) == 1


def test_the_second_crash_waits_before_the_next_run(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that crashes twice, then the first crash is retried at once, and the second after a back-off of a second."""
    worker = start_worker("hostile")
    hostile.die.push("sigkill", times=2)
    first, second, third = ledger.wait_for("die", 3)
    ledger.wait_for("lived")
    assert worker.stop() == 0
    assert second.at - first.at < 1
    assert 1 <= third.at - second.at < 3


def test_crashes_and_attempts_are_counted_apart(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given one attempt and a job that crashes once and then fails, then the crash used up no attempt."""
    hostile.die.options(max_attempts=1).push("exit 0", times=1)
    assert run_burst(start_worker, "hostile") == 0
    assert [attempt for _, attempt in ledger.values("die")] == [1, 1]
    assert len(ledger.lines("lived")) == 1
    assert store.count(State.FAILED) == 0


@pytest.mark.parametrize("by", ["job", "channel"])
def test_on_lost_timeout_moves_the_message_to_timeout(start_worker: StartWorker, ledger: Ledger, store: Store, by: str) -> None:
    """Given on_lost = "timeout", of the job or of the channel, if its process dies, then the message moves to timeout."""
    handle = (hostile.once_only if by == "job" else hostile.die).push("sigkill")
    hostile.quick.push(1)
    settings = {} if by == "job" else {"on_lost": "timeout"}
    worker = start_worker("hostile", settings=settings)
    ledger.wait_for("quick")
    wait_until(lambda: store.count(State.TIMEOUT) == 1)
    assert worker.stop() == 0
    assert len(ledger.lines("once_only") + ledger.lines("die")) == 1
    (message,) = store.messages(State.TIMEOUT)
    assert message.hex_id == handle.id
    (record,) = store.history(State.TIMEOUT)
    assert record.kind == "crashed"
    assert "was killed by SIGKILL" in record.error


def test_many_crashes_slow_down_the_replacement(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given six jobs that kill their process, then the worker logs that it waits before it starts another child, and continues."""
    for _ in range(6):
        hostile.die.push("exit 0")
    worker = start_worker("hostile", settings={"max_crashes": 0, "stop_timeout": 1}, ready=0)
    worker.wait_for_log("crashes in a short time; next process starts in")
    hostile.quick.push(1)
    ledger.wait_for("quick", timeout=30)
    assert worker.stop() == 0
