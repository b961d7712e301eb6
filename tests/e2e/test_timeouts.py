"""handle_timeout: JobTimeout is raised, then the process is killed; both use an attempt."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from taskq.channel import State
from tests.e2e.apps import clocks
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

LIMIT = {"handle_timeout": clocks.TIMEOUT, "retry_seconds": 0.02, "max_attempts": 2}
SOFT = [(clocks.overrun, "sleep"), (clocks.overrun, "loop"), (clocks.overrun, "except Exception"), (clocks.aoverrun, "sleep")]
HARD = [(clocks.overrun, "c"), (clocks.overrun, "swallow"), (clocks.aoverrun, "swallow"), (clocks.aoverrun, "blocking")]


def _name(value: object) -> str:
    return str(getattr(value, "name", value)).rpartition(":")[2]


@pytest.mark.parametrize(("job", "how"), SOFT, ids=_name)
def test_a_job_receives_job_timeout_at_its_limit(start_worker: StartWorker, ledger: Ledger, store: Store, job: Any, how: str) -> None:
    """Given a job over its limit, then it is ended there by an exception, runs again, and lands in timeout; its process lives."""
    job.push(how)
    clocks.quick.push()
    worker = start_worker("clocks", settings=LIMIT)
    ledger.wait_for("on_fail")
    assert worker.stop() == 0
    assert [attempt for _, attempt in ledger.values("begin")] == [1, 2]
    ((kind, text),) = ledger.values("on_fail")
    assert (kind, text) == ("JobTimeout", "the job ran longer than its handle_timeout of 0.15 s")
    assert len({line.pid for line in ledger.lines()}) == 1
    history = store.history(State.TIMEOUT)
    assert [(record.kind, record.attempt) for record in history] == [("timeout", 1), ("timeout", 2)]
    assert all("Traceback" in record.traceback for record in history)
    assert store.count(State.FAILED) == 0


@pytest.mark.parametrize(("job", "how"), HARD, ids=_name)
def test_a_job_that_does_not_listen_is_killed(start_worker: StartWorker, ledger: Ledger, store: Store, job: Any, how: str) -> None:
    """Given a job that goes on after its limit, then its process is killed after a short grace, it runs again, and lands in timeout."""
    job.push(how)
    clocks.quick.push_many([(number,) for number in range(5)])
    worker = start_worker("clocks", settings=LIMIT)
    ledger.wait_for("on_fail", timeout=15)
    ledger.wait_for("quick", 5)
    assert worker.stop() == 0
    begins = ledger.lines("begin")
    assert [line.value for line in begins] == [[how, 1], [how, 2]]
    assert all(after.at - before.at < clocks.TIMEOUT + 3.5 for before, after in pairwise(begins))
    assert begins[0].pid != begins[1].pid
    ((kind, text),) = ledger.values("on_fail")
    assert kind == "JobTimeout"
    assert "did not stop at its handle_timeout" in text
    assert ledger.values("quick") == list(range(5))
    assert [(record.kind, record.attempt) for record in store.history(State.TIMEOUT)] == [("timeout", 1), ("timeout", 2)]
    (message,) = store.messages(State.TIMEOUT)
    assert (message.attempts, message.crashes) == (2, 0)
    assert re.search("killing worker process .*: tests.e2e.apps.clocks:", worker.log)


def test_a_killed_job_that_gives_up_on_timeouts_is_not_run_again(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given retry_on without JobTimeout, if a job has to be killed, then that was its only run, as if it had listened."""
    clocks.choosy.push()
    worker = start_worker("clocks", settings=LIMIT)
    ledger.wait_for("on_fail")
    assert worker.stop() == 0
    assert len(ledger.lines("begin")) == 1
    assert store.count(State.TIMEOUT) == 1


def test_a_process_whose_import_was_interrupted_runs_no_other_job(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job at its limit in an import that doesn't end, then JobTimeout ends it, and the next job runs in another process."""
    clocks.overrun.options(max_attempts=1).push("import")
    clocks.quick.push()
    worker = start_worker("clocks", settings=LIMIT)
    (quick,) = ledger.wait_for("quick")
    assert worker.stop() == 0
    (begin,) = ledger.lines("begin")
    assert quick.pid != begin.pid
    assert "endless.py" in store.history(State.TIMEOUT)[0].traceback
    assert re.search(r"replacing worker process \(pid \d+\): .* interrupted an import", worker.log)
    assert "killing worker process" not in worker.log


def test_cancelled_async_jobs_clean_up(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given an async job over its limit, then its finally blocks run."""
    clocks.aoverrun.options(max_attempts=1).push("sleep")
    assert run_burst(start_worker, "clocks", settings=LIMIT) == 1
    assert len(ledger.lines("cleaned up")) == 1


def test_a_timeout_of_the_jobs_own_is_a_failure(start_worker: StartWorker, store: Store) -> None:
    """Given an async job whose own wait_for ends, then that is an ordinary failure, not the handle_timeout."""
    clocks.aoverrun.options(max_attempts=1).push("own timeout")
    assert run_burst(start_worker, "clocks", settings=LIMIT) == 1
    (record,) = store.history(State.FAILED)
    assert (record.kind, record.error) == ("failed", "TimeoutError: ")


def test_a_job_may_succeed_after_job_timeout(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that catches JobTimeout and returns, then it is done."""
    clocks.mends.push()
    assert run_burst(start_worker, "clocks", settings=LIMIT) == 0
    assert len(ledger.lines("mended")) == 1
    assert store.count(State.TIMEOUT) == 0


def test_a_job_may_have_no_limit(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given handle_timeout = 0 at the job, then the channel's limit doesn't count for it."""
    clocks.patient.push()
    assert run_burst(start_worker, "clocks", settings=LIMIT) == 0
    assert len(ledger.lines("patient ends")) == 1


def test_one_push_may_have_its_own_limit(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a limit in the options of a push, then it wins over the job's."""
    clocks.patient.options(handle_timeout=0.05, max_attempts=1).push()
    assert run_burst(start_worker, "clocks") == 1
    assert "handle_timeout of 0.05 s" in store.history(State.TIMEOUT)[0].error
    assert not ledger.lines("patient ends")


def test_on_fail_has_the_same_time_as_the_job(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given an on_fail that takes longer than the job's grace, but less than its limit, then it isn't killed."""
    clocks.fails_slowly.push()
    worker = start_worker("clocks")
    ledger.wait_for("on_fail ends")
    assert worker.stop() == 0
    assert "killing worker process" not in worker.log
    assert store.count(State.TIMEOUT) == 1


def test_a_timed_out_message_can_be_reloaded(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a message in timeout, then on_fail was told, and a reload gives it new attempts."""
    from taskq.inspector import Inspector

    clocks.overrun.options(max_attempts=1).push("sleep")
    worker = start_worker("clocks", settings=LIMIT)
    wait_until(lambda: store.count(State.TIMEOUT) == 1)
    inspector = Inspector(clocks.queue)
    assert inspector.reload("default", State.TIMEOUT) == 1
    inspector.close()
    ledger.wait_for("on_fail", 2)
    assert worker.stop() == 0
    assert [attempt for _, attempt in ledger.values("begin")] == [1, 1]
