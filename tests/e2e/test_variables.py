"""Context variables: each job has its own, and all see those of the startup hooks."""

from __future__ import annotations

import pytest

from tests.e2e.apps import variables
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger


@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_a_job_leaves_no_context_variable_to_the_next(start_worker: StartWorker, ledger: Ledger, concurrency: str) -> None:
    """Given jobs of every kind that change variables and the decimal context, and fail or not, then the next job sees neither.

    What the lifespans and on_start have set is seen by all jobs, and what a listener binds before a job by that job, its listeners
    and its on_fail. The lifespans can reset their tokens.
    """
    for how in ("end", "fail"):
        for job in (variables.change, variables.achange, variables.items, variables.aitems):
            job.push(how)
        variables.queue.push(variables.Work(how))
    assert run_burst(start_worker, "variables", "--concurrency", concurrency, settings={"max_attempts": 1}) == 1
    assert ledger.values("seen") == [["nobody", 20, "berlin", "berlin mitte", True]] * 10
    assert ledger.values("ended") == [["anna", True]] * 10
    assert ledger.values("on_fail") == [["anna", True]] * 4
    assert ledger.values("closed") == ledger.values("closed sync") == ["none"]
