"""Messages that can't run: damaged, of a newer version, of an unknown job, or from another serializer."""

from __future__ import annotations

import os
import pickle
import struct

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.wire.history import records
from taskq.wire.message import HEAD_SIZE, encode, make_body, new_id
from tests.e2e.apps import guarded
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

PLAIN = "tests.e2e.apps.guarded:plain"
ARGUMENTS = pickle.dumps(("x",))


def head(version: int, size: int) -> bytes:
    """Return a head that announces `size` bytes."""
    return struct.pack(">BB16sHBI", version, 0, new_id(), 0, 0, size)


def body(options: object = None, arguments: bytes = ARGUMENTS, job: str = PLAIN) -> bytes:
    """Return a message with a sound head."""
    return encode(new_id(), make_body(job, arguments, 0, options))  # type: ignore[arg-type]


BROKEN = {
    "only a head": head(1, 0),
    "cut body": head(1, 1000) + b"short",
    "cut foreign": head(0, 1000) + b"short",
    "random behind a version": b"\x01" + os.urandom(60),
    "random behind zero": b"\x00" + b"\xff" * 60,
    "no msgpack": head(1, 4) + b"\xc1\xc1\xc1\xc1",
    "wrong shape": encode(new_id(), b"\x91\x01"),
    "no arguments": body(arguments=b""),
    "arguments are no call": body(arguments=pickle.dumps(5)),
    "arguments can't be unpickled": body(arguments=b"cos\nno_such_name\n."),
    "unknown serializer": encode(new_id(), make_body(PLAIN, ARGUMENTS, 9)),
    "attempts no number": body({"max_attempts": "many"}),
    "interval no number": body({"retry_seconds": ["soon"]}),
    "timeout no number": body({"handle_timeout": "late"}),
    "label no text": body({"label": 5}),
}


def test_broken_bytes_go_to_failed(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given messages that are broken in every way, then they lie in failed with a reason, whole, and the process works on."""
    for raw in BROKEN.values():
        guarded.plain.push("between")
        store.client.lpush(store.keys.waiting, raw)
    worker = start_worker("guarded", "--burst", ready=0)
    assert worker.wait() == 1
    assert len(ledger.values("plain")) == len(BROKEN)
    assert len({line.pid for line in ledger.lines()}) == 1
    assert store.count(State.FAILED) == len(BROKEN)
    for kind, raw in BROKEN.items():
        found = [message for message in store.messages(State.FAILED) if raw[HEAD_SIZE:] in message.raw and raw[2:18] in message.raw]
        assert found, kind
        assert all(records(message.history_bytes())[0].error for message in found), kind


def test_a_message_of_a_newer_version_is_parked(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a message that a newer taskq wrote, then it is parked untouched, and the worker goes on."""
    newer = bytes((2,)) + body()[1:] + b"what only the newer one knows"
    store.client.lpush(store.keys.waiting, newer)
    guarded.plain.push("after")
    worker = start_worker("guarded", "--burst", ready=0)
    assert worker.wait() == 0
    assert store.raw(State.PARKED) == [newer]
    assert len(ledger.lines("plain")) == 1
    assert "the message has version 2; this taskq reads up to version 1: update it" in worker.log


def test_an_unknown_job_is_parked_until_a_worker_knows_it(start_worker: StartWorker, ledger: Ledger, store: Store, url: str) -> None:
    """Given a job that this worker doesn't know, then its message is parked with the reason, and the next worker that knows it runs it."""
    producer = Queue(url)
    producer.job(name=PLAIN)(lambda text: None)
    handle = producer.push_name(PLAIN, ["here"])
    producer.close()
    assert run_burst(start_worker, "slow") == 0
    (parked,) = store.messages(State.PARKED)
    assert parked.hex_id == handle.id
    (record,) = store.history(State.PARKED)
    assert record.kind == "parked"
    assert record.error.startswith(f"unknown job {PLAIN!r}: this app has no job of that name; the module {PLAIN.partition(':')[0]} was not")
    assert (parked.attempts, parked.crashes) == (0, 0)
    assert run_burst(start_worker, "slow") == 0
    assert store.count(State.PARKED) == 1
    worker = start_worker("guarded")
    ledger.wait_for("plain")
    assert worker.stop() == 0
    assert ledger.values("plain") == [["here", 1, 1, 3]]
    assert store.count(State.PARKED) == 0
    assert "1 parked message can run now" in worker.log or "parked" in worker.log


def test_a_worker_that_runs_on_brings_back_parked_messages(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given two workers of which one doesn't know a job, then the message ends in the one that does, unparked by it."""
    ignorant = start_worker("slow")
    guarded.plain.push("here")
    wait_until(lambda: store.count(State.PARKED) == 1)
    assert ignorant.stop() == 0
    knowing = start_worker("guarded")
    ledger.wait_for("plain")
    assert knowing.stop() == 0


@pytest.mark.parametrize(("wrote", "reads"), [("pickle", "json"), ("pickle", "msgpack"), ("json", "msgpack"), ("json", "pickle")])
def test_arguments_of_another_serializer_are_refused(
    start_worker: StartWorker, ledger: Ledger, store: Store, url: str, wrote: str, reads: str
) -> None:
    """Given a job that takes one serializer and a message in another, then it goes to failed unread: data-only jobs never unpickle."""
    producer = Queue(url, serializer=wrote)
    producer.job(name=PLAIN)(lambda text: None)
    producer.push_name(PLAIN, ["x"])
    producer.close()
    assert start_worker("guarded", "--burst", env={"TEST_SERIALIZER": reads}, ready=0).wait() == 1
    assert ledger.lines() == []
    (record,) = store.history(State.FAILED)
    assert record.error == f"MalformedMessage: the arguments were serialized with {wrote}, but {PLAIN} expects {reads}"


def test_each_job_may_have_its_serializer(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given jobs with pickle, JSON and msgpack arguments in one queue, then each gets what was pushed."""
    guarded.plain.push("a")
    guarded.data.push({"a": [1, 2.5, None]})
    guarded.packed.push({"a": [1, 2.5, None]})
    assert run_burst(start_worker, "guarded") == 0
    assert ledger.values("data") == ledger.values("packed") == [{"a": [1, 2.5, None]}]


def test_nothing_of_a_message_is_imported(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a message that names a function of an importable module as its job, then it is parked and not called."""
    store.client.lpush(store.keys.waiting, body(job="os:getpid", arguments=pickle.dumps(())))
    worker = start_worker("guarded", "--burst", ready=0)
    assert worker.wait() == 0
    assert store.count(State.PARKED) == 1
