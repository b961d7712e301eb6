"""Signed messages: a worker with a secret runs only messages with a valid signature."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from taskq import Cancelled, Handle, JobFailed, Queue, ResultCancelled
from taskq.channel import State
from taskq.clock import now_ms
from taskq.handle.cancel import CancelRequest, pack_request
from taskq.inspector import Inspector
from taskq.wire.ending import Ending, pack_ending, read_ending
from taskq.wire.history import Record, pack_record, verified_records
from taskq.wire.message import Message, encode, make_body, new_id
from taskq.wire.progress import Progress, pack_progress, read_progress
from taskq.wire.signing import Signer
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


ENDLESS = "tests.e2e.apps.guarded:endless"
SECRET = "correct-horse"


@pytest.fixture
def trusted(url: str) -> Iterator[Queue]:
    """A queue with the workers' secret."""
    queue = Queue(url, secret=SECRET)
    queue.job(name=ENDLESS, result_ttl=60)(lambda text: None)
    yield queue
    queue.close()


def _ask_cancel(store: Store, handle: Handle[Any], request: bytes) -> None:
    """Store a cancel request and wake every supervisor, as any user who can write to the server could."""
    store.client.hset(store.keys.cancels, bytes.fromhex(handle.id), request)
    store.client.expire(store.keys.cancels, 60)
    for worker in store.client.zrange(store.keys.workers, 0, -1):
        store.client.lpush(store.keys.cancel_wake(worker.decode()), b"1")


def _request(handle: Handle[Any], signer: Signer | None, at_ms: int) -> bytes:
    return pack_request(CancelRequest("mallory", True, at_ms, b"", 1000), bytes.fromhex(handle.id), signer)


def test_forged_cancels_are_refused(start_worker: StartWorker, ledger: Ledger, store: Store, trusted: Queue) -> None:
    """Given a worker with a secret, then only cancel requests with a valid, recent signature for that message interrupt its job."""
    handle, other = trusted.push_name(ENDLESS, ["a"]), trusted.handle("0" * 32)
    worker = start_worker("guarded", env={"TASKQ_SECRET": SECRET})
    ledger.wait_for("endless")
    signer, now = Signer([SECRET], "queue", "result"), now_ms()
    forged = {
        "unsigned": _request(handle, None, now),
        "another secret": _request(handle, Signer(["another"], "queue", "result"), now),
        "for another message": _request(other, signer, now),
        "an old one": _request(handle, signer, now - 2 * 86_400_000),
        "not a request": b"\xc1",
    }
    for count, request in enumerate(forged.values(), 1):
        _ask_cancel(store, handle, request)
        wait_until(lambda: worker.log.count("ignored a cancel request") == count)  # noqa: B023
    assert handle.status().state == "running"
    assert handle.cancel(by="ops") is Cancelled.REQUESTED
    with pytest.raises(ResultCancelled, match="cancelled by ops"):
        handle.result(timeout=20)
    assert worker.stop() == 0


def test_forged_reports_are_not_trusted(start_worker: StartWorker, ledger: Ledger, store: Store, trusted: Queue) -> None:
    """Given a job that runs, when its progress or its worker's report is forged, then a program with the secret doesn't show it as true."""
    handle = trusted.push_name(ENDLESS, ["a"])
    worker = start_worker("guarded", env={"TASKQ_SECRET": SECRET}, settings={"lease": 2})
    ledger.wait_for("endless")
    inspector = Inspector(trusted)
    seen = wait_until(lambda: next((one for one in inspector.workers("default") if one.job), None))
    assert seen.verified
    assert wait_until(handle.progress) == seen.progress or seen.progress is None
    key = store.keys.progress(handle.id)
    forged = pack_progress(Progress(4, 4, "done", now_ms(), 1), bytes.fromhex(handle.id), Signer(["another"], "queue", "result"))
    for raw in (forged, pack_progress(Progress(4, 4, "done", now_ms(), 1))):
        store.client.set(key, raw, ex=60)
        assert handle.progress() is None
    handle.cancel()
    assert worker.stop() == 0
    store.client.hset(store.keys.worker(seen.id), mapping={"job": "shop:innocent", "since_ms": "1"})
    store.client.zadd(store.keys.workers, {seen.id: now_ms()})
    (forged_report,) = inspector.workers("default")
    assert (forged_report.verified, forged_report.progress) == (False, None)
    store.client.delete(store.keys.worker(seen.id))
    store.client.zrem(store.keys.workers, seen.id)


def test_a_forged_record_changes_nothing(start_worker: StartWorker, ledger: Ledger, store: Store, trusted: Queue) -> None:
    """Given a failed message with a forged record at its end, then its status and its result name the last signed one."""
    handle = trusted.push_name(ENDLESS, ["fail"])
    worker = start_worker("guarded", env={"TASKQ_SECRET": SECRET})
    (raw,) = wait_until(lambda: store.raw(State.FAILED))
    assert worker.stop() == 0
    lie = Record("timeout", now_ms(), "w", 2, "mallory was here")
    store.client.delete(store.keys.failed)
    store.client.zadd(store.keys.failed, {raw + pack_record(lie): 1})
    store.client.delete(store.keys.result(handle.id))
    assert handle.status().error == "ValueError: fail"
    with pytest.raises(JobFailed, match="ValueError: fail"):
        handle.result(timeout=0)
    entry = Inspector(trusted).find(handle.id)
    assert entry is not None
    assert (entry.verified, entry.verified_records) == (True, (True, True, False))
    assert entry.error == "(not verified) mallory was here"
    unaware = Queue(trusted.url())
    assert unaware.handle(handle.id).status().error == "mallory was here"
    unaware.close()


def test_a_crash_is_recorded_with_a_signature(start_worker: StartWorker, ledger: Ledger, store: Store, trusted: Queue) -> None:
    """Given a worker that is killed with its supervisor, when another one rescues its message, then the record of that is signed, too."""
    handle = trusted.push_name(ENDLESS, ["a"])
    worker = start_worker("guarded", env={"TASKQ_SECRET": SECRET}, settings={"lease": 4})
    ledger.wait_for("endless")
    worker.kill()
    second = start_worker("guarded", env={"TASKQ_SECRET": SECRET}, settings={"lease": 4})
    wait_until(lambda: len(ledger.lines("endless")) == 2)
    (key,) = store.client.keys(store.keys.reserved("*"))
    (raw,) = store.client.lrange(key, 0, -1)
    message = Message(raw)
    (record,) = verified_records(message, Signer([SECRET], "queue", "result"))
    assert record.kind == "lost"
    handle.cancel()
    assert second.stop() == 0


def test_without_a_secret_nothing_is_signed(start_worker: StartWorker, ledger: Ledger, store: Store, url: str) -> None:
    """Given no secret, then records, reports and progress have no signature: not a byte more than before."""
    queue = Queue(url)
    queue.job(name=ENDLESS, result_ttl=60)(lambda text: None)
    queue.push_name(ENDLESS, ["fail"])
    worker = start_worker("guarded")
    (message,) = wait_until(lambda: store.messages(State.FAILED))
    size = int.from_bytes(message.history_bytes()[:4])
    assert len(msgspec.msgpack.decode(message.history_bytes()[4 : 4 + size])) == 6
    handle = queue.push_name(ENDLESS, ["a"])
    wait_until(lambda: len(ledger.lines("endless")) == 3)
    wait_until(lambda: store.client.exists(store.keys.progress(handle.id)))
    assert len(msgspec.msgpack.decode(store.client.get(store.keys.progress(handle.id)))) == 5
    (name,) = store.client.zrange(store.keys.workers, 0, -1)
    assert b"signature" not in store.client.hkeys(store.keys.worker(name.decode()))
    handle.cancel()
    assert len(msgspec.msgpack.decode(store.client.hvals(store.keys.cancels)[0])) == 5
    assert worker.stop() == 0
    queue.close()


# ---- what a signature doesn't prevent


def test_everything_is_readable(start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str], trusted: Queue) -> None:
    """Given a secret, then arguments, errors, results and progress are in the server as they are."""
    push("pay 1", SECRET)
    assert b"pay 1" in store.raw(State.WAITING)[0]
    handle = trusted.push_name(ENDLESS, ["fail"])
    worker = start_worker("guarded", env={"TASKQ_SECRET": SECRET})
    (raw,) = wait_until(lambda: store.raw(State.FAILED))
    assert b"ValueError: fail" in raw
    assert b"ValueError: fail" in store.client.lindex(store.keys.result(handle.id), 0)
    assert b"began" in store.client.get(store.keys.progress(handle.id))
    assert worker.stop() == 0


def test_the_secret_is_never_sent(start_worker: StartWorker, store: Store, push: Callable[..., str], trusted: Queue) -> None:
    """Given a secret, when a message was pushed and run, then the secret is in no key of the server."""
    push("a", SECRET)
    push("fail", SECRET, max_attempts=1)
    trusted.push_name(ENDLESS, ["fail"])
    start_worker("guarded", "--burst", env={"TASKQ_SECRET": SECRET}, ready=0).wait()
    for key in store.client.keys("*"):
        assert SECRET.encode() not in store.client.dump(key)


def test_a_copy_of_a_message_is_valid(start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str]) -> None:
    """Given a signed message that has run, when its bytes are pushed again, then it runs again."""
    push("a", SECRET)
    (raw,) = store.raw(State.WAITING)
    run(start_worker, SECRET)
    store.client.lpush(store.keys.waiting, raw)
    run(start_worker, SECRET)
    assert len(ledger.lines("plain")) == 2


def test_the_time_of_a_run_is_not_signed(start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str]) -> None:
    """Given a signed message that is due in an hour, when it is moved to waiting, then it runs now."""
    push("a", SECRET, delay=3600)
    (raw,) = store.raw(State.DELAYED)
    store.client.zrem(store.keys.delayed, raw)
    store.client.lpush(store.keys.waiting, raw)
    run(start_worker, SECRET)
    assert len(ledger.lines("plain")) == 1


@pytest.mark.parametrize("counts", [{"attempts": 3}, {"crashes": 255}])
def test_the_counts_are_not_signed(
    start_worker: StartWorker, ledger: Ledger, store: Store, push: Callable[..., str], counts: dict[str, int]
) -> None:
    """Given a signed message whose attempts or crashes another program has raised, then it fails without a run."""
    push("a", SECRET, max_attempts=3)
    (raw,) = store.raw(State.WAITING)
    store.client.lset(store.keys.waiting, 0, Message(raw).changed(**counts))
    run(start_worker, SECRET, code=1)
    assert ledger.lines("plain") == []
    assert store.count(State.FAILED) == 1


def test_what_is_deleted_is_not_missed(start_worker: StartWorker, store: Store, push: Callable[..., str], trusted: Queue) -> None:
    """Given signed messages and records, when some are deleted, then nothing shows it."""
    push("a", SECRET)
    trusted.push_name(ENDLESS, ["fail"])
    store.client.lpop(store.keys.waiting)
    worker = start_worker("guarded", env={"TASKQ_SECRET": SECRET})
    wait_until(lambda: not store.raw(State.WAITING) and not store.raw(State.DELAYED))
    assert worker.stop() == 0
    assert store.client.keys(store.keys.reserved("*")) == []
    whole = Message(encode(new_id(), make_body("x:y", b""), 0, Signer([SECRET], "queue")))
    signer = Signer([SECRET], "queue", "result")
    first, second = (pack_record(Record("failed", now_ms(), "w", number, "e"), whole.id, signer) for number in (1, 2))
    assert [one.attempt for one in verified_records(Message(whole.changed(history=first + second)), signer)] == [1, 2]
    assert [one.attempt for one in verified_records(Message(whole.changed(history=second)), signer)] == [2]


def test_earlier_data_of_a_message_is_valid_again() -> None:
    """Given two signed results and reports of one message, then each is verified, at any time and in any order."""
    identity, signer = new_id(), Signer([SECRET], "queue", "result")
    for number in (2, 1):
        ending = Ending("done", now_ms(), number, value=b"[]", serializer=1)
        assert read_ending(pack_ending(ending, identity, signer), identity, signer) == ending
        progress = Progress(number, 4, "", now_ms(), number)
        assert read_progress(pack_progress(progress, identity, signer), identity, signer) == progress


def test_any_program_may_cancel_and_report_without_a_secret(start_worker: StartWorker, ledger: Ledger, store: Store, url: str) -> None:
    """Given no secret, when another user stores progress and a cancel request, then both are trusted."""
    queue = Queue(url)
    queue.job(name=ENDLESS, result_ttl=60)(lambda text: None)
    handle = queue.push_name(ENDLESS, ["a"])
    worker = start_worker("guarded")
    ledger.wait_for("endless")
    wait_until(lambda: store.client.exists(store.keys.progress(handle.id)))
    store.client.set(store.keys.progress(handle.id), pack_progress(Progress(4, 4, "mallory was here", now_ms(), 1)), ex=60)
    found = handle.progress()
    assert found is not None
    assert found.message == "mallory was here"
    _ask_cancel(store, handle, _request(handle, None, now_ms()))
    with pytest.raises(ResultCancelled, match="cancelled by mallory"):
        handle.result(timeout=20)
    assert worker.stop() == 0
    queue.close()
