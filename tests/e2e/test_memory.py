"""The memory of a job is freed when the job has ended."""

from __future__ import annotations

import pytest

from taskq.channel import State
from tests.e2e.apps import keeping
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

WAYS = ("plain", "itself", "from", "local", "retry", "requeue", "cancelled")


@pytest.mark.parametrize("concurrency", [1, 30])
def test_a_job_keeps_nothing_alive(start_worker: StartWorker, ledger: Ledger, store: Store, concurrency: int) -> None:
    """Given jobs that fail in every way, then what they held is free once they have ended, without the garbage collector."""
    worker = start_worker("keeping", "--concurrency", str(concurrency))
    for how in WAYS:
        attempts = 2 if how == "retry" else 1
        keeping.fail.options(max_attempts=attempts).push(how, keeping.Blob(f"argument {how}"))
        keeping.afail.options(max_attempts=attempts).push(how, keeping.Blob(f"argument {how} async"))
    for job in (keeping.group, keeping.late, keeping.alate, keeping.items, keeping.succeed, keeping.asucceed):
        job.push(keeping.Blob(f"argument of {job.name}"))
    wait_until(lambda: store.count(State.WAITING) == 0 and not store.reserved(), what="the jobs to end")
    keeping.look.push()
    ledger.wait_for("alive")
    assert worker.stop() == 0
    assert ledger.values("alive") == [{}]
