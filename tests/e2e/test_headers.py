"""Headers are kept through requeue, crash, retry and reload, and are passed on when a job asks for it."""

from __future__ import annotations

import json

import pytest

from taskq.channel import State
from taskq.inspector import Inspector
from tests.e2e.apps import headed
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

pytestmark = pytest.mark.one_python

TENANT = {"tenant": "acme", "x-request": "ä"}


def test_headers_are_kept_through_everything(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job with headers that is requeued, crashes, is retried, fails and is reloaded, then each run and its children have them."""
    with headed.queue.headers(TENANT):
        handle = headed.troubled.push()
    plain = {"job": "tests.e2e.apps.headed:achild", "headers": {"from": "PHP"}}
    store.client.lpush(store.keys.waiting, json.dumps(plain).encode())
    worker = start_worker("headed")
    wait_until(lambda: store.count(State.FAILED) == 1, timeout=30.0)
    assert ledger.values("troubled") == [TENANT] * 4
    assert Inspector(headed.queue).reload("default", State.FAILED, message_id=handle.id) == 1
    ledger.wait_for("child", 2, timeout=30.0)
    ledger.wait_for("achild", 2, timeout=30.0)
    assert worker.stop() == 0
    assert ledger.values("troubled") == [TENANT] * 5
    assert sorted(ledger.values("child"), key=len) == [{}, {**TENANT, "more": "1"}]
    assert ledger.values("achild") == [{"from": "PHP"}, TENANT]
