"""handle_timeout of concurrent jobs: only the job over its limit ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taskq.channel import State
from taskq.clock import monotonic
from taskq.scoreboard.state import HARD_GRACE
from tests.e2e.apps import stuck
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until

LOGGED = f"the job ran longer than its handle_timeout of {stuck.LIMIT:g} s"
CONCURRENCY = ("--concurrency", "4")


def _name(value: object) -> str:
    return str(getattr(value, "name", value)).rpartition(":")[2]


def _neighbours(tmp_path: Path) -> None:
    stuck.hold.push(str(tmp_path / "go"), "s")
    stuck.ahold.push(str(tmp_path / "go"), "a")


@pytest.mark.parametrize(("job", "how"), [(stuck.overrun, "python"), (stuck.aoverrun, "sleep")], ids=_name)
def test_a_job_over_its_limit_is_ended_alone(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path, job: Any, how: str
) -> None:
    """Given a job over its limit beside two others, then an exception ends it, it goes to timeout, and the others and the process live."""
    worker = start_worker("stuck", *CONCURRENCY)
    _neighbours(tmp_path)
    ledger.wait_for("start", 2)
    job.push(how)
    assert ledger.wait_for("on_fail")[0].value == ["JobTimeout", LOGGED, _name(job)]
    stuck.quick.push(1)
    ledger.wait_for("quick")
    (tmp_path / "go").touch()
    ledger.wait_for("end", 2)
    assert worker.stop() == 0
    assert len({line.pid for line in ledger.lines()}) == 1
    assert len(ledger.lines("start")) == 2
    (record,) = store.history(State.TIMEOUT)
    assert (record.kind, record.attempt) == ("timeout", 1)
    assert how == "sleep" or "time.sleep(0.005)" in record.traceback


def test_a_process_whose_import_was_interrupted_is_replaced(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given a job at its limit in an import beside two others, then JobTimeout ends it, and the next job has a new process."""
    worker = start_worker("stuck", *CONCURRENCY)
    _neighbours(tmp_path)
    ledger.wait_for("start", 2)
    stuck.overrun.push("import")
    assert ledger.wait_for("on_fail")[0].value == ["JobTimeout", LOGGED, "overrun"]
    worker.wait_for_log("interrupted an import")
    stuck.quick.push(1)
    (quick,) = ledger.wait_for("quick")
    (tmp_path / "go").touch()
    ledger.wait_for("end", 2)
    assert worker.stop() == 0
    assert {line.pid for line in ledger.lines("end")} == {ledger.lines("begin")[0].pid} != {quick.pid}
    assert "endless.py" in store.history(State.TIMEOUT)[0].traceback


def test_a_job_may_end_well_at_its_limit(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a sync job that notices JobTimeout and returns, then it is done, and its thread takes the next job unharmed."""
    stuck.overrun.push("mends")
    stuck.quick.push_many([(number,) for number in range(20)])
    worker = start_worker("stuck", "--concurrency", "2")
    ledger.wait_for("mended")
    ledger.wait_for("quick", 20)
    wait_until(lambda: store.reserved() == [], what="all settled")
    assert worker.stop() == 0
    assert ledger.lines("on_fail") == []


@pytest.mark.parametrize(("job", "how"), [(stuck.overrun, "sleep"), (stuck.aoverrun, "swallow")], ids=_name)
def test_a_stuck_job_costs_its_process_not_its_neighbours(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path, job: Any, how: str
) -> None:
    """Given a job that can't be stopped, then another process takes over at once, the others end in peace, and only it has timed out."""
    worker = start_worker("stuck", *CONCURRENCY)
    _neighbours(tmp_path)
    old = ledger.wait_for("start", 2)[0].pid
    job.push(how)
    worker.wait_for_log("replacing this process once its other jobs finish")
    stuck.quick.push(1)
    (quick,) = ledger.wait_for("quick")
    assert quick.pid != old
    (tmp_path / "go").touch()
    assert {line.pid for line in ledger.wait_for("end", 2)} == {old}
    ((kind, text, name),) = [line.value for line in ledger.wait_for("on_fail")]
    assert (kind, name) == ("JobTimeout", _name(job))
    assert "did not stop at its handle_timeout" in text
    assert worker.stop() == 0
    assert len(ledger.lines("start")) == 2
    (record,) = store.history(State.TIMEOUT)
    assert (record.kind, record.attempt) == ("timeout", 1)
    assert store.count(State.WAITING) == store.count(State.FAILED) == 0


def test_a_stuck_job_in_an_outage_costs_no_neighbour(
    start_worker: StartWorker, ledger: Ledger, store: Store, server: ServerProcess, tmp_path: Path
) -> None:
    """Given a server that hangs, if a job ignores its limit while the worker settles another, then its neighbours end in peace."""
    worker = start_worker("stuck", *CONCURRENCY)
    _neighbours(tmp_path)
    stuck.hold.push(str(tmp_path / "first"), "first")
    old = ledger.wait_for("start", 3)[0].pid
    stuck.overrun.options(handle_timeout=1).push("sleep")
    ledger.wait_for("begin")
    stuck_at = monotonic() + 1 + HARD_GRACE
    server.pause()
    (tmp_path / "first").touch()
    ledger.wait_for("end")
    wait_until(lambda: monotonic() > stuck_at + 1)  # longer than its supervisor waits for it to see that
    server.resume()
    stuck.quick.push(1)
    assert ledger.wait_for("quick")[0].pid != old
    (tmp_path / "go").touch()
    assert {line.pid for line in ledger.wait_for("end", 3)} == {old}
    ledger.wait_for("on_fail")
    assert worker.stop() == 0
    assert len(ledger.lines("start")) == 3


def test_others_without_a_limit_get_the_stop_timeout(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a stuck job beside one without limit that doesn't end, then after stop_timeout that one runs again elsewhere, uncounted."""
    worker = start_worker("stuck", *CONCURRENCY, settings={"stop_timeout": 0.3})
    stuck.ahold.push(str(tmp_path / "go"), "a")
    ledger.wait_for("start")
    stuck.overrun.push("sleep")
    ledger.wait_for("on_fail")
    first, again = ledger.wait_for("start", 2)
    assert first.pid != again.pid
    assert (first.value, again.value) == (["a", 1], ["a", 1])
    (tmp_path / "go").touch()
    ledger.wait_for("end")
    assert worker.stop() == 0


@pytest.mark.parametrize(("job", "how"), [(stuck.aoverrun, "blocking"), (stuck.overrun, "c")], ids=_name)
def test_a_helpless_process_is_killed_and_only_the_late_job_counted(
    start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path, job: Any, how: str
) -> None:
    """Given a job that blocks the loop, or the interpreter, then the process is killed; others run again uncounted, unless they mustn't."""
    worker = start_worker("stuck", *CONCURRENCY)
    stuck.ahold.push(str(tmp_path / "go"), "a")
    kept = stuck.careful.push(str(tmp_path / "go"), "careful")
    ledger.wait_for("start", 2)
    job.push(how)
    ((kind, text, name),) = [line.value for line in ledger.wait_for("on_fail")]
    assert (kind, name) == ("JobTimeout", _name(job))
    assert "did not stop at its handle_timeout; its worker process" in text
    again = ledger.wait_for("start", 3)[2]
    assert again.value == ["a", 1]
    (tmp_path / "go").touch()
    ledger.wait_for("end")
    assert worker.stop() == 0
    assert len(ledger.lines("start")) == 3
    aside = {message.hex_id: message for message in store.messages(State.TIMEOUT)}
    assert len(aside) == 2
    assert (aside[kept.id].attempts, aside[kept.id].crashes) == (0, 0)
    assert "was killed while it also ran this job" in store.records(aside[kept.id])[0].error
