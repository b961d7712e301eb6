"""Cancellation: a waiting job never runs, a running job is cancelled, and the record shows by whom and when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from taskq import ArgumentsError, Cancelled, Handle, ResultCancelled, Status
from taskq.channel import State
from tests.e2e.apps import cancelled
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import clean_environment

#: One job at a time in the main thread, and several beside each other.
KINDS: list[Mapping[str, Any]] = [{}, {"concurrency": 3}]


@pytest.mark.parametrize("wrong", [{"by": 3}, {"kill": "x"}, {"kill": 1}])
def test_what_is_no_order_is_refused(wrong: Any) -> None:
    """Given a canceller that is no text, or a kill that is neither True nor False, then that is an error, and nothing is cancelled."""
    handle = cancelled.queue.handle("0" * 32)
    with pytest.raises(ArgumentsError, match=r"`by` must be a string|`kill` must be True or False"):
        handle.cancel(**wrong)
    with pytest.raises(ArgumentsError, match="channel must be a string; got 3"):
        cancelled.queue.handle("0" * 32, channel=3)  # type: ignore[arg-type]


def _end(handle: Handle[Any]) -> Status:
    return wait_until(lambda: status if (status := handle.status()).is_ended else None, timeout=15)


@pytest.mark.parametrize("how", ["waiting", "delayed", "retried", "parked"])
def test_what_nobody_runs_never_runs(start_worker: StartWorker, ledger: Ledger, store: Store, how: str) -> None:
    """Given a message that waits, is delayed, was retried or parked, when it is cancelled, then it never runs, and its status says who."""
    if how == "retried":
        handle: Handle[Any] = cancelled.fails.push()
        worker = start_worker("cancelled")
        ledger.wait_for("fails")
        wait_until(lambda: store.count(State.DELAYED))
        worker.stop()
    elif how == "parked":
        handle = cancelled.queue.job(name="nobody:knows")(print).push()
        worker = start_worker("cancelled")
        wait_until(lambda: store.count(State.PARKED))
        worker.stop()
    else:
        handle = cancelled.quick.push(delay=60 if how == "delayed" else 0)
    assert handle.cancel(by="ops") is Cancelled.NOW
    assert handle.cancel() is Cancelled.TOO_LATE
    status = handle.status()
    assert (status.state, status.by, status.is_ended) == ("cancelled", "ops", True)
    assert status.ended_at is not None
    assert run_burst(start_worker, "cancelled") == 0
    assert ledger.values("quick") == []
    assert len(ledger.values("fails")) == (how == "retried")
    assert all(store.count(state) == 0 for state in State if state is not State.RESERVED)


@pytest.mark.parametrize("settings", KINDS, ids=["one", "several"])
def test_a_running_job_is_cancelled_at_once(start_worker: StartWorker, ledger: Ledger, settings: Mapping[str, Any]) -> None:
    """Given running jobs, sync and async, when they are cancelled, then each ends within moments, can clean up, and isn't run again."""
    start_worker("cancelled", settings=settings)
    sync = cancelled.busy.push(30)
    ledger.wait_for("busy")
    began = time.monotonic()
    assert sync.cancel(by="ops") is Cancelled.REQUESTED
    with pytest.raises(ResultCancelled, match="cancelled by ops") as caught:
        sync.result(30)
    assert caught.value.by == "ops"
    task = cancelled.sleeps.push(30)
    ledger.wait_for("sleeps")
    assert cancelled.queue.cancel(task.id) is Cancelled.REQUESTED
    assert _end(task).state == "cancelled"
    assert time.monotonic() - began < 20
    assert len(ledger.values("cleaned")) == len(ledger.values("acleaned")) == 1
    cancelled.quick.push(5)
    ledger.wait_for("quick")  # the process lives on
    assert (len(ledger.values("busy")), len(ledger.values("sleeps"))) == (1, 1)
    assert (sync.status().state, sync.status().attempt) == ("cancelled", 1)


def test_those_beside_a_cancelled_job_go_on(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given jobs beside each other, in threads and on the event loop, when one of each is cancelled, then the others run to their end."""
    start_worker("cancelled", settings={"concurrency": 5})
    gate = tmp_path / "gate"
    kept = [cancelled.waits_for.options(result_ttl=60).push(str(gate)) for _ in range(2)]
    ended = [cancelled.busy.push(30), cancelled.sleeps.push(30)]
    for what, count in (("waits", 2), ("busy", 1), ("sleeps", 1)):
        ledger.wait_for(what, count)
    for handle in ended:
        assert handle.cancel() is Cancelled.REQUESTED
        assert _end(handle).state == "cancelled"
    gate.touch()
    assert [handle.result(30) for handle in kept] == [None, None]
    assert [handle.status().state for handle in kept] == ["done", "done"]


@pytest.mark.parametrize("settings", KINDS, ids=["one", "several"])
def test_a_job_that_goes_on_is_killed_when_asked(
    start_worker: StartWorker, ledger: Ledger, store: Store, settings: Mapping[str, Any]
) -> None:
    """Given a job that swallows what is raised in it, when it is cancelled with kill, then it is killed, and isn't run again."""
    worker = start_worker("cancelled", settings=settings)
    handle = cancelled.refuses.push(60)
    ledger.wait_for("refuses")
    assert handle.cancel(kill=True, by="ops") is Cancelled.REQUESTED
    ledger.wait_for("swallowed")
    status = _end(handle)
    assert (status.state, status.by) == ("cancelled", "ops")
    worker.wait_for_log("killing worker process .* was cancelled by ops and is still running")
    cancelled.quick.push()
    ledger.wait_for("quick")  # in the next process
    assert ledger.values("refuses") == [1]
    assert store.count(State.FAILED) == 0


def test_a_job_that_goes_on_without_kill_is_done(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that swallows its cancel and returns, then it is done: that is what happened."""
    start_worker("cancelled")
    handle = cancelled.swallows_one.push()
    ledger.wait_for("swallows")
    assert handle.cancel() is Cancelled.REQUESTED
    assert handle.result(30) == "done all the same"
    assert handle.cancel() is Cancelled.TOO_LATE
    assert handle.status().state == "done"


def test_another_error_than_the_cancel_is_no_failed_attempt(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that raises something else when it is cancelled, then it is cancelled, and neither retried nor failed."""
    start_worker("cancelled")
    handle = cancelled.turns_it_into_an_error.push(30)
    ledger.wait_for("turns")
    handle.cancel()
    assert _end(handle).state == "cancelled"
    assert ledger.values("turns") == [1]
    assert store.count(State.FAILED) + store.count(State.DELAYED) == 0


def test_what_lies_reserved_behind_another_never_runs(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given a message that was reserved with a running one, when it is cancelled before it starts, then it never runs; the others do."""
    gate = tmp_path / "gate"
    start_worker("cancelled")
    cancelled.quick.push_many([(number,) for number in range(300)])  # teaches the worker to reserve many at once
    first = cancelled.waits_for.push(str(gate))
    rest = cancelled.quick.push_many([(1000 + number,) for number in range(20)])
    ledger.wait_for("waits")
    outcomes = [handle.cancel() for handle in rest[:10]]
    assert set(outcomes) <= {Cancelled.NOW, Cancelled.REQUESTED}
    wait_until(lambda: all(handle.status().state == "cancelled" for handle in rest[:10]))
    gate.touch()
    ledger.wait_for("quick", 310)
    assert first.status().state == "unknown"
    assert sorted(ledger.values("quick"))[300:] == list(range(1010, 1020))


def test_one_cancel_after_another_is_as_quick(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given jobs that are cancelled one after the other, then each is interrupted within moments, not only the first."""
    start_worker("cancelled")
    for number in range(1, 6):
        handle = cancelled.busy.push(30)
        ledger.wait_for("busy", number)
        began = time.monotonic()
        assert handle.cancel() is Cancelled.REQUESTED
        with pytest.raises(ResultCancelled):
            handle.result(30)
        assert time.monotonic() - began < 2


def test_a_cancelled_stream_ends(start_worker: StartWorker) -> None:
    """Given a reader of a generator job, when the job is cancelled, then the reader gets the earlier items, and the error."""
    start_worker("cancelled")
    handle = cancelled.yields.push(10_000)
    stream = handle.stream(timeout=30)
    assert [next(stream), next(stream)] == [0, 1]
    assert handle.cancel(by="reader") is Cancelled.REQUESTED
    with pytest.raises(ResultCancelled, match="cancelled by reader"):
        list(stream)


def test_cancel_from_async_code(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given async code, when it cancels what it has pushed, then awaiting the result says so."""
    start_worker("cancelled")

    async def main() -> None:
        handle = await cancelled.busy.apush(30)
        await asyncio.to_thread(ledger.wait_for, "busy")
        assert await handle.acancel(by="loop") is Cancelled.REQUESTED
        with pytest.raises(ResultCancelled, match="by loop"):
            await handle.aresult(10)
        await cancelled.queue.aclose()

    asyncio.run(main())


def _taskq(url: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from taskq.cli import main; main()", *args, "--url", url]
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True)


def test_the_command_cancels(start_worker: StartWorker, ledger: Ledger, url: str) -> None:
    """Given `taskq cancel`, then it cancels what waits and what runs, says which, and show tells by whom; too late is exit code 1."""
    waiting = cancelled.quick.push(delay=60)
    output = _taskq(url, "cancel", waiting.id)
    assert (output.returncode, output.stdout) == (0, "cancelled in default: the job never runs\n")
    start_worker("cancelled")
    running = cancelled.busy.push(30)
    ledger.wait_for("busy")
    output = _taskq(url, "cancel", running.id, "--kill", "--by", "night shift")
    assert (output.returncode, output.stdout) == (0, "cancellation requested in default: the job is being interrupted\n")
    assert _end(running).by == "night shift"
    shown = _taskq(url, "show", running.id).stdout
    assert "state:       cancelled" in shown
    assert "by:          night shift" in shown
    assert "@" in _taskq(url, "show", waiting.id).stdout
    again = _taskq(url, "cancel", running.id)
    assert again.returncode == 1
    assert "can't be cancelled: not found in default (it has finished" in again.stderr
    assert "32 hexadecimal digits" in _taskq(url, "cancel", "nothing").stderr


def test_bad_input(store: Store) -> None:
    """Given an invalid id, or an id without a message, then the first is an error, and the second too late."""
    with pytest.raises(ArgumentsError, match="32 hexadecimal digits"):
        cancelled.queue.cancel("nothing")
    assert cancelled.queue.cancel("0" * 32) is Cancelled.TOO_LATE
