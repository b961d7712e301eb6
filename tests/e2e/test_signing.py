"""Signed messages: a worker with a secret runs only messages with a valid signature."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.wire.message import Message
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

PLAIN = "tests.e2e.apps.guarded:plain"


@pytest.fixture
def push(url: str) -> Callable[..., str]:
    """Push the job `plain` with a secret, or without one."""

    def push(text: str, secret: str | None = None, **options: object) -> str:
        queue = Queue(url, secret=secret)
        queue.job(name=PLAIN)(lambda text: None)
        handle = queue.push_name(PLAIN, [text], **options)
        queue.close()
        return handle.id

    return push


def run(start_worker: StartWorker, secret: str, code: int = 0) -> str:
    """Work everything off with a secret; return the log."""
    worker = start_worker("guarded", "--burst", env={"TASKQ_SECRET": secret}, ready=0)
    assert worker.wait() == code
    return worker.log


def test_signed_messages_run(start_worker: StartWorker, ledger: Ledger, push: Callable[..., str]) -> None:
    """Given producer and worker with one secret, then messages run, and the secret is in no log."""
    push("a", "correct-horse")
    assert "correct-horse" not in run(start_worker, "correct-horse")
    assert [value[0] for value in ledger.values("plain")] == ["a"]


@pytest.mark.parametrize("secret", [None, "another-secret"], ids=["unsigned", "wrong"])
def test_unsigned_and_wrongly_signed_messages_are_refused(
    start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str], secret: str | None
) -> None:
    """Given a message without a signature, or with one of another secret, then it goes to failed unread, with the reason."""
    identity = push("a", secret)
    (raw,) = store.raw(State.WAITING)
    assert "WARNING" in run(start_worker, "correct-horse", code=1)
    assert ledger.lines() == []
    (failed,) = store.messages(State.FAILED)
    assert failed.raw.startswith(raw)
    assert failed.hex_id == identity
    (record,) = store.history(State.FAILED)
    assert record.error.startswith("SignatureError: ")
    assert ("is not signed" if secret is None else "the signature is wrong") in record.error


def test_a_worker_without_a_secret_reads_signed_messages(start_worker: StartWorker, ledger: Ledger, push: Callable[..., str]) -> None:
    """Given a signed message and a worker that has no secret, then it runs: whoever signs may begin before the workers verify."""
    push("a", "correct-horse")
    assert start_worker("guarded", "--burst", ready=0).wait() == 0
    assert len(ledger.lines("plain")) == 1


def test_a_json_message_is_refused_where_signatures_count(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a JSON message and a worker with a secret, then it goes to failed."""
    store.client.lpush(store.keys.waiting, json.dumps({"job": PLAIN, "args": ["a"]}).encode())
    run(start_worker, "correct-horse", code=1)
    assert ledger.lines() == []
    assert "is not signed" in store.history(State.FAILED)[0].error


def test_a_changed_message_is_refused(start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str]) -> None:
    """Given a signed message of which one byte of the arguments was changed, then it goes to failed."""
    push("pay 1", "correct-horse")
    (raw,) = store.raw(State.WAITING)
    store.client.lset(store.keys.waiting, 0, raw.replace(b"pay 1", b"pay 9"))
    run(start_worker, "correct-horse", code=1)
    assert ledger.lines() == []


def test_a_signed_message_can_not_be_moved_to_another_channel(
    start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str]
) -> None:
    """Given a signed message that somebody copied into another channel, then it runs only in its own."""
    push("a", "correct-horse")
    (raw,) = store.raw(State.WAITING)
    store.client.lpush("{vip}:waiting", raw)
    worker = start_worker("guarded", "--burst", env={"TASKQ_SECRET": "correct-horse", "TASKQ_CHANNELS__VIP__PROCESSES": "1"}, ready=0)
    assert worker.wait() == 1
    assert len(ledger.lines("plain")) == 1
    assert store.client.zcard("{vip}:failed") == 1


def test_secrets_are_rotated_without_a_gap(start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str]) -> None:
    """Given messages of the old and the new secret, then a worker with both runs both, and one with the new alone refuses the old."""
    push("old", "old-secret")
    push("new", "new-secret,old-secret")
    run(start_worker, "new-secret,old-secret")
    assert [value[0] for value in ledger.values("plain")] == ["old", "new"]
    push("old again", "old-secret")
    push("new again", "new-secret")
    run(start_worker, "new-secret", code=1)
    assert [value[0] for value in ledger.values("plain")] == ["old", "new", "new again"]
    assert store.count(State.FAILED) == 1


def test_counting_leaves_the_signature_valid(start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str]) -> None:
    """Given a signed message that fails and is retried, then its signature still holds in the next attempt, and in failed."""
    push("fail", "correct-horse", max_attempts=3)
    worker = start_worker("guarded", env={"TASKQ_SECRET": "correct-horse"}, settings={"retry_seconds": 0.02})
    wait_until(lambda: store.count(State.FAILED) == 1)
    assert worker.stop() == 0
    assert [value[2] for value in ledger.values("plain")] == [1, 2, 3]
    assert [record.error for record in store.history(State.FAILED)] == ["ValueError: fail"] * 3


def test_the_crash_count_is_left_out_of_the_signature(
    start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str]
) -> None:
    """Given a signed message that a script has counted a crash on, then it still runs."""
    push("a", "correct-horse")
    (raw,) = store.raw(State.WAITING)
    store.client.lset(store.keys.waiting, 0, Message(raw).changed(crashes=2))
    run(start_worker, "correct-horse")
    assert len(ledger.lines("plain")) == 1
