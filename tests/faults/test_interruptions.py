"""Jobs that are interrupted a thousand times, at any moment: no crash, and no lock stays locked."""

from __future__ import annotations

import pytest

from taskq.channel import State
from tests.e2e.apps import interrupted
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until


@pytest.mark.parametrize("concurrency", ["1", "4"])
@pytest.mark.parametrize(("how", "times"), [("push", 1_000), ("redis", 1_000), ("locks", 200)])
def test_jobs_that_are_often_at_their_limit(
    start_worker: StartWorker, ledger: Ledger, store: Store, how: str, times: int, concurrency: str
) -> None:
    """Given jobs that push, use redis-py with numbers, or log and use a queue, if each is at its limit, then their process lives."""
    interrupted.loop.push_many([(how,)] * times)
    worker = start_worker("interrupted", "--concurrency", concurrency)
    wait_until(lambda: store.count(State.TIMEOUT) == times, timeout=180)
    interrupted.last.push()
    ledger.wait_for("last")
    assert worker.stop() == 0
    assert "SIGSEGV" not in worker.log
    # On a busy machine, a job may not get the CPU for the whole grace period. A lock that stays locked would stop many jobs.
    assert worker.log.count("did not stop at its handle_timeout") < times / 50
    assert store.count(State.FAILED) == 0
