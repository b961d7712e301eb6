"""Arguments and results that are rebuilt by type hints, on their way through a server and a worker."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from taskq import JobFailed
from taskq.channel import State
from taskq.wire.history import records
from tests.e2e.apps.typed import Order, Receipt, charge, queue, receipts, wrong
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store


@pytest.mark.one_python
def test_arguments_and_results_are_rebuilt_by_their_hints(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given typed jobs, and messages of other languages, then objects arrive; a wrong argument or result fails after one attempt."""
    job = "tests.e2e.apps.typed:charge"
    for order in ({"prices": ["0.10", 1]}, {"prices": ["1", "free"]}):
        store.client.lpush(store.keys.waiting, json.dumps({"job": job, "args": [order], "max_attempts": 9}))
    charged = charge.push(Order([Decimal("1.10"), Decimal(2)]), by=Decimal("0.5"))
    bad, stream = wrong.push(), receipts.push(2)
    assert run_burst(start_worker, "typed") == 1
    assert ledger.values("charge") == [["0.10", "1"], ["1.10", "2"]]

    assert charged.result(0) == Receipt(Decimal("3.60"))
    assert queue.handle(charged.id).result(0) == {"total": "3.60"}
    assert list(stream.stream(timeout=0)) == [Receipt(Decimal(0)), Receipt(Decimal(1))]
    assert list(queue.handle(stream.id).stream(timeout=0)) == [{"total": "0"}, {"total": "1"}]
    with pytest.raises(JobFailed, match="the job returned a value that doesn't fit its return hint: result: expected int, got str"):
        bad.result(0)

    failed = store.messages(State.FAILED)
    errors = {message.is_foreign: [record.error for record in records(message.history_bytes())] for message in failed}
    assert len(failed) == 2
    assert errors[True] == [f"ArgumentsError: wrong argument of {job}: order.prices[1]: invalid decimal string"]
    assert len(errors[False]) == 1
